"""The key of a secret is gone: what runs goes on, what would start says which secret and what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_modelserve.controller.store.secrets import Secret
from jupyter_modelserve.types import Cause, ServiceState, UpdateState, VersionState
from tests.unit.endpoints.bench import Bench, tracks
from tests.unit.endpoints.world import desired, model, version

pytestmark = pytest.mark.req("REQ-140")
PROBLEM = "secret API_KEY of endpoint iris cannot be read: its key 0123 is not in the key file"
LOST = {"API_KEY": Secret("r1", "", PROBLEM), "OTHER": Secret("r1", "still known")}
FOUND = {"API_KEY": Secret("r1", "value"), "OTHER": Secret("r1", "still known")}


async def test_nothing_starts_without_its_secret_until_the_key_is_back(bench: Bench) -> None:
    bench.want = replace(bench.want, secrets=LOST)
    await bench.passes()
    assert tracks(bench)[1] is UpdateState.UPDATE_FAILED
    (status,) = bench.reconciler.status.versions
    assert status.failure is not None
    assert (status.state, status.failure.cause) == (VersionState.FAILED, Cause.SECRET_UNREADABLE)
    assert status.failure.message == PROBLEM
    assert "set API_KEY again: `jupyter modelserve secret set`" in status.failure.hint
    assert bench.replica.workers == {}
    bench.want = replace(bench.want, secrets=FOUND)
    waits = bench.reconciler._backoff.not_before
    waits.update(dict.fromkeys(waits, 0.0))
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)


async def test_what_runs_goes_on_and_a_new_version_waits(bench: Bench) -> None:
    bench.want = replace(bench.want, secrets=FOUND)
    await bench.passes()
    bench.want = replace(bench.want, secrets=LOST)
    await bench.passes(3)
    assert tracks(bench) == (ServiceState.READY, UpdateState.NOT_UPDATING)
    bench.want = replace(desired(model(version(1), version(2))), secrets=LOST)
    await bench.passes()
    assert tracks(bench) == (ServiceState.READY, UpdateState.UPDATE_FAILED)
    states = {each.version: each.state for each in bench.reconciler.status.versions}
    assert states == {"1": VersionState.READY, "2": VersionState.FAILED}
    assert set(bench.replica.workers) == {"w1"}
