"""docs/reference/states.md from the enums and the transition tables. ``scripts/docs.py`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from jupyter_modelserve.controller.endpoints import machines
from jupyter_modelserve.types import ReplicaState, ServiceState, UpdateState, Verdict, VersionState
from scripts.docs_tables import NOTE, table

S = TypeVar("S", bound=StrEnum)

SERVICE = {
    ServiceState.PENDING: "something that the endpoint serves cannot be scored yet; the message says what",
    ServiceState.READY: "everything that the endpoint serves can be scored",
    ServiceState.FAILED: "something that the endpoint serves cannot be scored, because all its versions failed",
}
UPDATE = {
    UpdateState.NOT_UPDATING: "what runs is what was asked for",
    UpdateState.IN_PROGRESS: "a change is under way",
    UpdateState.UPDATE_FAILED: "a change failed; what served before goes on serving",
}
VERDICTS = {
    Verdict.PASSED: "it predicted its logged input example",
    Verdict.NONE: "it has no input example; it was loaded and not tried",
    Verdict.SYNTHETIC_REFUSED: "it refused a row that was made up from its signature, which it may",
}


def machine(means: Mapping[S, str], after: Mapping[S, frozenset[S]], states: Iterable[S]) -> str:
    """State, meaning and what may follow, in the order of the enum."""
    order = list(states)
    rows = [
        (f"`{each}`", means[each], ", ".join(f"`{other}`" for other in order if other in after[each]) or "gone")
        for each in order
    ]
    return table(("state", "meaning", "may be followed by"), rows)


def plain(means: Mapping[S, str], states: Iterable[S]) -> str:
    """State and meaning."""
    return table(("state", "meaning"), [(f"`{each}`", means[each]) for each in states])


def render() -> str:
    """The page."""
    worker = [each for each in VersionState if each in machines.WORKER]
    return f"""\
# States

{NOTE}

An endpoint has two tracks: what serves now, and the change under way. So `READY` with `UPDATE_FAILED` means that the
version before still answers, and the new one could not be served.

## Endpoint: what serves now

{plain(SERVICE, ServiceState)}
## Endpoint: the change under way

{plain(UPDATE, UpdateState)}
## Version

As the API shows it. Somebody who looks now and then may miss a short state. After a restart of the controller a
version is `PENDING` until its worker was found again.

{machine(machines.VERSION_MEANS, machines.VERSION, VersionState)}
Inside its replica a version moves strictly by this table:

{machine(machines.VERSION_MEANS, machines.WORKER, worker)}
`READY` means that it predicted. The verdict says how much that proves:

{plain(VERDICTS, Verdict)}
Only the failure of a real, logged example blocks a version.

## Replica

The process that holds the versions of one environment.

{machine(machines.REPLICA_MEANS, machines.REPLICA, ReplicaState)}"""
