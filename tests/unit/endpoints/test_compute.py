"""Sizes, custom figures, and the calculator for provisioned concurrency."""

from __future__ import annotations

import pytest

from jupyter_modelserve.computing import Advice, advise, provisioned_concurrency
from jupyter_modelserve.controller.endpoints.compute import GIB, compute_for, table
from jupyter_modelserve.controller.endpoints.specification import complete
from jupyter_modelserve.controller.engines.base import Compute
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, WorkloadSize

ACTIVE = Selector(SelectorKind.ACTIVE)


@pytest.mark.req("REQ-118")
def test_the_default_gives_4_gib_for_each_request_at_a_time() -> None:
    sizes = table(Settings().workload_sizes)
    assert {size: found.memory for size, found in sizes.items()} == {
        size: 4 * size.concurrency * GIB for size in WorkloadSize
    }


def test_own_figures_count_before_the_size_and_the_largest_wins() -> None:
    sizes = table("small=1:2, medium=2:4, large=4:8")
    small = ServedEntity("m", ACTIVE)
    assert compute_for([small], sizes) == Compute(1.0, 2 * GIB)
    assert compute_for([small, ServedEntity("m", ACTIVE, memory_gb=2.5, cores=0.5)], sizes) == Compute(
        1.0, 5 * GIB // 2
    )
    assert compute_for([], sizes) == Compute()


@pytest.mark.parametrize("text", ["", "Small=1:1", "Small=1 Medium=2:2 Large=3:3", "Small=0:1 Medium=2:2 Large=3:3"])
def test_a_table_that_cannot_be_read_names_the_form(text: str) -> None:
    with pytest.raises(InvalidParameter, match="Small=2:16"):
        table(text)


@pytest.mark.req("REQ-133")
@pytest.mark.parametrize(
    ("rate", "seconds", "wanted"), [(100, 0.05, 5), (10, 0.1, 1), (30, 0.1, 3), (1000, 0.2, 200), (0.1, 1, 1)]
)
def test_provisioned_concurrency_is_rate_times_run_time(rate: float, seconds: float, wanted: int) -> None:
    assert provisioned_concurrency(rate, seconds) == wanted


@pytest.mark.req("REQ-133")
def test_the_calculator_names_size_and_replicas() -> None:
    assert advise(40, 0.1) == Advice(4, WorkloadSize.SMALL, 1, 16)
    assert advise(50, 0.1) == Advice(5, WorkloadSize.MEDIUM, 1, 64)
    assert advise(1000, 0.2) == Advice(200, WorkloadSize.LARGE, 4, 1024)


@pytest.mark.req("REQ-133")
@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, -1), (float("inf"), 1), (1, float("nan"))])
def test_the_calculator_refuses_what_is_no_load(rate: float, seconds: float) -> None:
    with pytest.raises(InvalidParameter, match="must be more than 0"):
        advise(rate, seconds)


@pytest.mark.parametrize("field", [{"cores": 0.0}, {"memory_gb": 0.1}, {"cores": 1e9}])
def test_figures_that_cannot_be_are_refused_by_name(field: dict[str, float]) -> None:
    spec = EndpointSpec("e", (ServedEntity("m", ACTIVE, **field),))  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter, match=next(iter(field))):
        complete(spec)
