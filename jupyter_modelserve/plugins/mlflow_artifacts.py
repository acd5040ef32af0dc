"""Files are judged by the model they belong to, runs and logged models by who made them (REQ-075, REQ-103).

- A registered version's own copy: reading needs version.read on its model, and nobody writes it.
- Files of a run or logged model: who made it may read and write; others may read them too, as a workspace shares its
  runs, unless a registered version was made of them: then they need version.read on that model.
- What belongs to neither is the metastore admin's, except traces, which are shared.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, text
from sqlalchemy.dialects.sqlite import insert

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model as model_of
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.errors import PermissionDenied
from jupyter_modelserve.plugins.mlflow_files import PREFIX
from jupyter_modelserve.plugins.mlflow_governance import Governor
from jupyter_modelserve.plugins.mlflow_rules import REGISTRY, parts_of

_ID: Final = re.compile(r"^(?:m-)?[0-9a-f]{32}$")
_ARTIFACTS: Final = re.compile(r"/mlflow-artifacts/(?P<kind>[^/]+)(?:/(?P<rest>.*))?\Z", re.DOTALL)
_OF_RUN: Final = re.compile(r"/mlflow/artifacts/")
_OF_LOGGED: Final = re.compile(r"/mlflow/logged-models/(?P<id>[^/]+)/artifacts/")


def judge_request(governor: Governor, who: str, method: str, path: str, query: dict[str, list[str]]) -> None:
    """Refuse a request for files that *who* may not touch; other requests pass.

    Raises:
        MlflowException: PERMISSION_DENIED, with the missing right.
    """
    reads = method in {"GET", "HEAD"}
    found = _ARTIFACTS.search(path)
    if found:
        listed = found["rest"] is None
        for each in query.get("path", [""]) if listed else [found["rest"]]:
            judge(governor, who, parts_of(each), reads=reads, listed=listed)
        return
    logged = _OF_LOGGED.search(path)
    if logged:
        judge(governor, who, parts_of(logged["id"]), reads=reads, listed=False)
    elif _OF_RUN.search(path):
        named = [each for name in ("run_id", "run_uuid") for each in query.get(name, [])]
        if not named:
            raise _denied("name the run in the query: run_id=…")
        for each in named:
            judge(governor, who, parts_of(each), reads=reads, listed=True)


def judge(governor: Governor, who: str, parts: list[str], *, reads: bool, listed: bool) -> None:
    """Judge one artifact path, cut into segments."""
    governor.require(who, Operation.TRACKING)
    if governor.state().is_admin(who) and (reads or not _registered(parts)):
        return
    if _registered(parts):
        _judge_registered(governor, who, parts, reads)
        return
    ids = [each for each in parts if _ID.match(each)]
    for each in ids:
        _judge_made(governor, who, each, reads)
    if not ids and "traces" not in parts and not listed:
        raise _denied(f"the artifact {'/'.join(parts)[:200]} belongs to no run; only the metastore admin has access")


def _registered(parts: list[str]) -> bool:
    # A file system may not tell cases apart.
    return bool(parts) and parts[0].casefold() == REGISTRY


def _judge_registered(governor: Governor, who: str, parts: list[str], reads: bool) -> None:
    if not reads:
        raise _denied("files of registered versions never change; register a new version")
    with governor.engine.connect() as connection:
        query = text(
            "SELECT name FROM model_versions WHERE storage_location = :place AND current_stage <> 'Deleted_Internal'"
        )
        place = f"{PREFIX}{parts[1].lower()}" if len(parts) > 1 else ""
        name = connection.execute(query, {"place": place}).scalar_one_or_none()
    if name is None:
        raise _denied("these files belong to no registered version")
    governor.require(who, Operation.VERSION_READ, model_of(str(name)))


def _judge_made(governor: Governor, who: str, made: str, reads: bool) -> None:
    with governor.engine.connect() as connection:
        owner = _owner(connection, made)
        models = _made_of(connection, made) if reads else []
    if owner == who:
        return
    if not reads:
        raise _denied(f"{made} belongs to {owner or 'the metastore admin'}; only they may write its files")
    if models and not any(governor.may(who, Operation.VERSION_READ, model_of(each)) for each in models):
        governor.require(who, Operation.VERSION_READ, model_of(models[0]))


def _owner(connection: Connection, made: str) -> str | None:
    if made.startswith("m-"):
        rows = tables.artifact_owners
        found = connection.execute(rows.select().where(rows.c.id == made)).first()
        if found is not None:
            return str(found.principal)
        query = text(
            "SELECT runs.user_id FROM logged_models JOIN runs ON runs.run_uuid = logged_models.source_run_id "
            "WHERE model_id = :id"
        )
    else:
        query = text("SELECT user_id FROM runs WHERE run_uuid = :id")
    value = connection.execute(query, {"id": made}).scalar_one_or_none()
    return None if value is None else str(value)


def _made_of(connection: Connection, made: str) -> list[str]:
    """Models with a version that was made of a run's or logged model's files.

    A source that holds the id inside a longer word says nothing: the files below it are its maker's own.
    """
    query = text(
        "SELECT DISTINCT name, source, COALESCE(storage_location, '') AS place FROM model_versions "
        "WHERE current_stage <> 'Deleted_Internal' AND (instr(source, :id) > 0 OR instr(place, :id) > 0) ORDER BY name"
    )
    rows = connection.execute(query, {"id": made})
    return list(dict.fromkeys(str(row.name) for row in rows if made in {*_named(row.source), *_named(row.place)}))


def _named(source: str) -> list[str]:
    """Runs and logged models that a version's source names, wherever in it."""
    return [each for each in re.split(r"[/:?#&=]", "/".join(parts_of(source))) if _ID.fullmatch(each)]


def require_named(governor: Governor, who: str, source: str) -> None:
    """Whoever says that a version is made of files must be allowed to read them, also when no byte of them is used:
    who may read that version may read those files.

    Raises:
        MlflowException: PERMISSION_DENIED.
    """
    if not governor.state().is_admin(who):
        for each in _named(source):
            _judge_made(governor, who, each, reads=True)


def remember_owner(governor: Governor, made: str, who: str) -> None:
    """Note who made a logged model."""
    with governor.transaction() as connection:
        row = insert(tables.artifact_owners).values(id=made, principal=who)
        connection.execute(row.on_conflict_do_nothing())


def require_copied(governor: Governor, who: str, source: str) -> None:
    """Whoever copies a registered version must be allowed to read it. It is judged by the name and before anything is
    looked up, so that a refusal does not tell what there is.

    Raises:
        MlflowException: PERMISSION_DENIED.
    """
    scheme, _, rest = source.partition(":")
    name, _, tail = rest.lstrip("/").partition("/")
    if scheme == "models" and not (name.startswith("m-") and not tail):
        governor.require(who, Operation.VERSION_READ, model_of(name))


def require_source(governor: Governor, who: str, address: str) -> None:
    """Whoever makes a version of files must be allowed to read them.

    Raises:
        MlflowException: PERMISSION_DENIED.
    """
    parts = urlsplit(address)
    if parts.scheme == "mlflow-artifacts":
        judge(governor, who, parts_of(parts.path), reads=True, listed=False)
    elif parts.scheme in {"", "file"} and not governor.state().is_admin(who):
        raise _denied("only the metastore admin may register files of this machine")


def _denied(message: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

    error: Exception = MlflowException(PermissionDenied(message).message, error_code=PERMISSION_DENIED)
    return error
