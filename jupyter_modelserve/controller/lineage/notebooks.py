"""Which notebook made something, from the tags that the user's side leaves (``authoring/stamp``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from sqlalchemy import Connection

from jupyter_modelserve.controller.lineage import foreign, ids
from jupyter_modelserve.controller.store import lineage as store
from jupyter_modelserve.controller.store.lineage import Node
from jupyter_modelserve.errors import PermissionDenied
from jupyter_modelserve.traced import NodeType, NotebookRun, Relation

PREFIX: Final = "modelserve.notebook."
REPORTER: Final = "reported_by"


def of_run(connection: Connection, run: str, tags: Mapping[str, str]) -> None:
    """Link a run with its notebook: by the execution that it belongs to, or directly when somebody worked in it."""
    _link(connection, run, tags, Relation.TRACKED, Relation.RAN)


def of_version(connection: Connection, version: str, tags: Mapping[str, str]) -> None:
    """Link a version that no stamped run stands behind with the execution or notebook that registered it."""
    _link(connection, version, tags, Relation.REGISTERED, Relation.REGISTERED)


def _link(connection: Connection, target: str, tags: Mapping[str, str], executed: Relation, worked: Relation) -> None:
    told = _told(tags)
    if "run" in told:
        store.link(connection, _execution(connection, told), executed, target, _cell(told))
    elif "path" in told:
        store.link(connection, notebook(connection, told["path"]), worked, target, _cell(told))


def stamped(tags: Mapping[str, str]) -> bool:
    """Whether tags name a notebook."""
    return bool(_told(tags))


def _told(tags: Mapping[str, str]) -> dict[str, str]:
    told = {key.removeprefix(PREFIX): value for key, value in tags.items() if key.startswith(PREFIX) and value}
    return {name: value if name == "parameters" else value[: foreign.LONGEST] for name, value in told.items()}


def _cell(told: Mapping[str, str]) -> dict[str, str]:
    return {name: told[name] for name in ("cell", "cell_id") if name in told}


def notebook(connection: Connection, path: str) -> str:
    """The node of a notebook."""
    facts = {"path": path}
    return store.known(connection, Node(ids.notebook(path), NodeType.NOTEBOOK, PurePath(path).name or path, "", facts))


def _execution(connection: Connection, told: Mapping[str, str]) -> str:
    identity = ids.execution(told["run"])
    if _reporter(connection, identity):
        # What a tag says of it, anybody may have written.
        return identity
    parameters = foreign.short(foreign.parsed(told.get("parameters", "{}")))
    facts: dict[str, Any] = {"run": told["run"], "parameters": parameters}
    node = Node(identity, NodeType.EXECUTION, told["run"], "", facts)
    return _linked(connection, store.known(connection, node), told.get("path", ""), told.get("output", ""))


def admit(connection: Connection, run: NotebookRun, known: bool, admin: bool) -> None:
    """Refuse a report that is not its sender's to make; *known*: there is a row of theirs.

    A run that only tags of MLflow tell of is nobody's: only an *admin* may say more of it.

    Raises:
        PermissionDenied: the run is somebody else's.
    """
    identity = ids.execution(run.id)
    reporter = _reporter(connection, identity)
    if reporter and reporter != run.principal:
        raise PermissionDenied(f"run {run.id} was reported by somebody else", details={"run": run.id})
    if not (reporter or known or admin) and store.find(connection, [identity]):
        raise PermissionDenied(
            f"run {run.id} was not reported when it began, and runs of MLflow name it: only an admin may report it now",
            details={"run": run.id},
        )


def _reporter(connection: Connection, identity: str) -> str:
    """Who reported an execution first, as long as lineage knows it; empty for one that only tags tell of."""
    node = store.find(connection, [identity]).get(identity)
    return str(node.facts.get(REPORTER, "")) if node is not None else ""


def reported(connection: Connection, run: NotebookRun) -> None:
    """What ``jupyter modelserve run`` says of a run: state and failed cell belong to its node."""
    facts: dict[str, Any] = {"run": run.id, "parameters": foreign.short(run.parameters), "state": run.state.value}
    facts |= {"started_at": run.started_at, "ended_at": run.ended_at, REPORTER: run.principal}
    if run.failed:
        facts["failed"] = foreign.short(run.failed)
    node = Node(ids.execution(run.id), NodeType.EXECUTION, run.id, "", facts)
    _linked(connection, store.put(connection, node), run.notebook, run.output)


def _linked(connection: Connection, execution: str, path: str, output: str) -> str:
    if path:
        store.link(connection, notebook(connection, path), Relation.RAN, execution)
    if output:
        node = Node(ids.output(output), NodeType.OUTPUT, PurePath(output).name, "", {"path": output})
        store.link(connection, execution, Relation.WROTE, store.known(connection, node))
    return execution
