"""What happens to replicas and processes is in the history, and only when it happens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_modelserve.controller.endpoints.happenings import between
from jupyter_modelserve.controller.endpoints.observation import Sight
from jupyter_modelserve.controller.endpoints.view import Worker
from jupyter_modelserve.controller.engines.base import ObservedReplica
from jupyter_modelserve.types import ReplicaState, VersionState

REPLICA = ObservedReplica("aaaaaaaaaaaa", "iris", "e", ReplicaState.READY, "h")
WORKER = Worker("aaaaaaaaaaaa.w", "aaaaaaaaaaaa", "iris", "1", VersionState.READY)
NOTHING, RUNNING = Sight(True), Sight(True, {REPLICA.id: REPLICA}, {WORKER.id: WORKER})


def messages(before: Sight | None, after: Sight) -> list[str]:
    return [each.message for each in between(before, after)]


@pytest.mark.req("REQ-045")
def test_the_life_of_a_replica() -> None:
    creating = Sight(True, {REPLICA.id: replace(REPLICA, state=ReplicaState.CREATING)})
    failed = replace(REPLICA, state=ReplicaState.FAILED, reason="out of memory", exit_code=137)
    assert messages(NOTHING, creating) == []
    assert messages(creating, RUNNING) == ["replica aaaaaaaa is READY"]
    assert messages(RUNNING, RUNNING) == []
    (found,) = between(RUNNING, Sight(True, {REPLICA.id: failed}))
    assert (found.kind, found.message) == ("replica", "replica aaaaaaaa is FAILED: out of memory")
    assert found.data["exit_code"] == 137
    assert messages(RUNNING, NOTHING) == ["replica aaaaaaaa is gone"]


@pytest.mark.req("REQ-046")
def test_a_process_that_died_is_an_event_of_its_version() -> None:
    again = replace(WORKER, restarts=1, last_exit="signal 9")
    (found,) = between(RUNNING, replace(RUNNING, workers={WORKER.id: again}))
    assert (found.kind, found.key) == ("version", ("iris", "1"))
    assert found.message.endswith("is started again (number 1): signal 9")


def test_unknown_is_no_news() -> None:
    assert messages(None, RUNNING) == []
    assert messages(RUNNING, Sight(False)) == []
