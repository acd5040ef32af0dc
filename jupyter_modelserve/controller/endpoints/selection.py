"""Which versions an endpoint selects, and which version each of its names should answer with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jupyter_modelserve import names
from jupyter_modelserve.controller.endpoints.view import Desired, Key, Label, LabelKind
from jupyter_modelserve.types import Failure, Model, Selector, SelectorKind, ServedEntity

_FOLLOWING = {SelectorKind.ALIAS: LabelKind.ALIAS, SelectorKind.STAGE: LabelKind.STAGE}
ARCHIVED = "Archived"


@dataclass(frozen=True, slots=True)
class Selection:
    """``keys``: versions to run. ``labels`` and ``entities``: versions that should answer, best first.

    ``follows``: the name that an entity follows, by entity. ``known``: every version that is registered.
    ``refused``: versions that were taken back from a name (:func:`planner.effective`), ``reasons``: why.
    """

    keys: tuple[Key, ...]
    labels: Mapping[Label, tuple[Key, ...]]
    entities: Mapping[str, tuple[Key, ...]]
    follows: Mapping[str, Label] = field(default_factory=dict)
    known: frozenset[Key] = frozenset()
    refused: Mapping[Label, Key] = field(default_factory=dict)
    reasons: Mapping[Label, Failure] = field(default_factory=dict)


def versions(model: Model | None, selector: Selector) -> tuple[str, ...]:
    """Versions that *selector* selects, newest first; empty when there are none (REQ-002, REQ-006, REQ-185)."""
    if model is None:
        return ()
    # What a client is still uploading is registered, but not there yet.
    known = {each.version: each for each in model.versions if each.status == "READY"}
    match selector.kind:
        case SelectorKind.ACTIVE:
            return tuple(number for number, each in known.items() if each.stage != ARCHIVED)
        case SelectorKind.STAGE:
            return tuple(number for number, each in known.items() if each.stage == selector.value)
        case SelectorKind.ALIAS:
            number = model.aliases.get(selector.value or "")
            return (number,) if number in known else ()
        case SelectorKind.VERSION:
            return (selector.value,) if selector.value in known else ()


def select(desired: Desired) -> Selection:
    """Read the endpoint's entities against the registry. Nothing is selected while it is being deleted."""
    entities: dict[str, tuple[Key, ...]] = {}
    keys: dict[Key, None] = {}
    follows: dict[str, Label] = {}
    if not desired.deleting:
        for entity in desired.spec.entities:
            numbers = versions(desired.models.get(entity.model), entity.selector)
            entities[entity.name] = tuple((entity.model, number) for number in numbers)
            keys.update(dict.fromkeys(entities[entity.name]))
            if entity.selector.kind in _FOLLOWING and entity.selector.value:
                follows[entity.name] = (entity.model, _FOLLOWING[entity.selector.kind], entity.selector.value)
    labels = {} if desired.deleting else _labels(desired.models.values())
    known = frozenset((model.name, each.version) for model in desired.models.values() for each in model.versions)
    return Selection(tuple(keys), labels, entities, follows, known)


def _labels(models: Iterable[Model]) -> dict[Label, tuple[Key, ...]]:
    found: dict[Label, tuple[Key, ...]] = {}
    for model in models:
        for alias, number in model.aliases.items():
            found[model.name, LabelKind.ALIAS, alias] = ((model.name, number),)
        if not names.is_three_level(model.name):
            for stage in names.STAGES:
                numbers = versions(model, Selector(SelectorKind.STAGE, stage))
                if numbers:
                    found[model.name, LabelKind.STAGE, stage] = tuple((model.name, each) for each in numbers)
    return found


def explain_nothing(entity: ServedEntity, model: Model | None) -> str:
    """Why an entity selects no version, for the user."""
    if model is None:
        return f"{entity.model} is not registered"
    match entity.selector.kind:
        case SelectorKind.ALIAS:
            return names.no_alias(entity.model, entity.selector.value or "", model.aliases)
        case SelectorKind.VERSION:
            return f"{entity.model} has no version {entity.selector.value}"
        case SelectorKind.STAGE:
            return f"{entity.model} has no version in stage {entity.selector.value}"
        case SelectorKind.ACTIVE:
            return f"{entity.model} has no active version"
