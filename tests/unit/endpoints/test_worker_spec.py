"""What a version is started with follows the settings."""

from __future__ import annotations

import pytest

from jupyter_modelserve.controller.endpoints.effects import Effects
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, WorkloadSize
from tests.support.fake_engine import FakeEngine


@pytest.mark.parametrize(("setting", "sent"), [("auto", None), ("on", True), ("off", False)])
@pytest.mark.parametrize("direct", [True, False])
def test_the_fast_paths_can_be_set(direct: bool, setting: str, sent: bool | None) -> None:
    effects = Effects(FakeEngine(), Settings(direct=direct, batching=setting))
    spec = effects._worker_spec(("iris", "1"), "/models/1", EndpointSpec("iris", ()))
    assert (spec["direct"], spec["batching"]) == (direct, sent)


def test_another_compute_size_is_another_worker_with_other_lanes() -> None:
    effects = Effects(FakeEngine(), Settings())
    keys = set()
    for size in WorkloadSize:
        entity = ServedEntity("iris", Selector(SelectorKind.ACTIVE), workload_size=size)
        spec = EndpointSpec("iris", (entity,))
        assert effects._worker_spec(("iris", "1"), "/models/1", spec)["concurrency"] == size.concurrency
        keys.add(effects.settings_key(spec, {}))
    assert len(keys) == len(WorkloadSize)
    assert effects.settings_key(spec, {}) == effects.settings_key(spec, {})
