"""The registry in short: what a tree of models shows, in one answer even for tens of thousands of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from jupyter_modelserve.controller.registry.reader import DELETED_STAGE, RegistryNotReady
from jupyter_modelserve.controller.store import feed
from jupyter_modelserve.controller.store.database import table_missing


@dataclass(frozen=True, slots=True)
class OutlineModel:
    """A registered model by name. ``versions`` are numbers, newest first; ``stages`` names those that have one.

    Deprecated marks and descriptions are not here: :class:`jupyter_modelserve.types.Model` has them.
    """

    name: str
    versions: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outline:
    """Every registered model, by name. ``revision`` is the newest change of the registry that it shows."""

    revision: int
    models: tuple[OutlineModel, ...]


def read_outline(connection: Connection) -> Outline:
    """Three narrow queries, whatever the number of models.

    Raises:
        RegistryNotReady: MLflow has not made its tables yet.
    """
    revision = feed.newest(connection)
    try:
        names = [str(row[0]) for row in connection.execute(text("SELECT name FROM registered_models ORDER BY name"))]
        versions = connection.execute(text("SELECT name, version, current_stage FROM model_versions")).all()
        aliases = connection.execute(text("SELECT name, alias, version FROM registered_model_aliases")).all()
    except OperationalError as error:
        if table_missing(error):
            raise RegistryNotReady from error
        raise
    numbers: dict[str, list[int]] = defaultdict(list)
    stages: dict[str, dict[str, str]] = defaultdict(dict)
    for name, version, stage in versions:
        if stage == DELETED_STAGE:
            continue
        numbers[name].append(int(version))
        if stage and stage != "None":
            stages[name][str(version)] = str(stage)
    named: dict[str, dict[str, str]] = defaultdict(dict)
    for name, alias, version in aliases:
        named[name][str(alias)] = str(version)
    models = (
        OutlineModel(each, tuple(map(str, sorted(numbers[each], reverse=True))), named[each], stages[each])
        for each in names
    )
    return Outline(revision, tuple(models))
