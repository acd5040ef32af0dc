"""A guard against slow scoring: ratios to a constant answer that is measured in turns with it, never a time.

CPU time of the server's processes is what counts, so a busy machine changes little, and what it changes it changes for
both. The bounds leave a factor of two to what was measured while others kept the machine busy. What trips them is a
path that is no longer taken, or work done for every request that should be done once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from benchmarks import load, models, ours, servers
from benchmarks.load import Window
from tests.support.instance import RunningInstance, started_instance

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
TURNS, SECONDS, CLIENTS = 3, 0.7, 16
GATEWAY = 3.5
"""Times the CPU of a constant answer that the gateway may use for a request (found: 1.3 to 1.8)."""
DIRECT = 6.0
"""The same for gateway and worker, one row for a LogisticRegression (found: 2.3 to 3.3; around 10 through pyfunc)."""
PYFUNC = 25.0
"""The same through pyfunc, in batches (found: 9 to 11; 60 to 90 one at a time)."""


@dataclass(frozen=True)
class Costs:
    """Median over the turns: CPU per request, as a multiple of what the constant answer took in the same turn."""

    gateway: float
    whole: float
    failures: int


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> models.Model:
    """A LogisticRegression of the iris data."""
    return models.train(tmp_path_factory.mktemp("speed"), ["lr"])["lr"]


@pytest.fixture(scope="module")
def direct(instance: RunningInstance, model: models.Model) -> Iterator[Costs]:
    """As it comes."""
    with _served(instance, model) as server:
        yield _measured(server, model)


@pytest.fixture(scope="module")
def pyfunc(model: models.Model) -> Iterator[Costs]:
    """Without the direct paths."""
    with started_instance(settings="direct = false\n") as instance, _served(instance, model) as server:
        yield _measured(server, model)


@contextmanager
def _served(instance: RunningInstance, model: models.Model) -> Iterator[servers.Server]:
    instance.wait_for_mlflow()
    where = ours.Ours("guard", instance.paths, instance.url, instance.token)
    ours.register(where, model, "speed")
    ours.serve(where, "speed/1", "speed", "Large")
    yield where.server("speed")
    with instance.client() as client:
        client.delete_endpoint("speed")
        client.wait_gone("speed", 60)


def _measured(served: servers.Server, model: models.Model) -> Costs:
    with servers.constant(model, Path(model.directory).parent) as floor:
        said = {each.name: servers.prove(each, model, models.ONE) for each in (floor, served)}
        assert [each.wrong for each in said.values()] == [0, 0]

        def one(server: servers.Server) -> Window:
            return load.once(server, said[server.name], CLIENTS, SECONDS, own=True)

        one(served)
        turns = [(one(floor), one(served)) for _ in range(TURNS)]
    return Costs(
        median(mine.cpu["gateway"] / base.cpu["server"] for base, mine in turns),
        median((mine.cpu["gateway"] + mine.cpu["worker"]) / base.cpu["server"] for base, mine in turns),
        sum(mine.failures for _, mine in turns),
    )


def test_every_answer_under_load_is_right(direct: Costs, pyfunc: Costs) -> None:
    assert (direct.failures, pyfunc.failures) == (0, 0)


def test_the_gateway_costs_about_as_much_as_a_constant_answer(direct: Costs) -> None:
    assert direct.gateway <= GATEWAY


def test_a_direct_answer_costs_a_few_constant_ones(direct: Costs) -> None:
    assert direct.whole <= DIRECT


def test_pyfunc_is_paid_once_for_many_requests(pyfunc: Costs) -> None:
    assert pyfunc.whole <= PYFUNC
