"""Scaling by load, to zero and back, with real processes and times of seconds (REQ-132, REQ-134, REQ-135, R13)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.types import Endpoint, EndpointSpec, Selector, SelectorKind, ServedEntity, VersionState
from tests.chaos import models
from tests.support.instance import RunningInstance, mlflow_of, started_instance
from tests.support.load import Load, Shot
from tests.support.slo import Slo

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]
SETTINGS = "scale_to_zero = 2.0\nscale_down = 2.0\nqueue_per_worker = 300\n"
MANY = 100


class Scaled:
    """An instance in which minutes are seconds."""

    def __init__(self, instance: RunningInstance, client: Client, mlflow: Any) -> None:
        self.instance, self.client, self.mlflow = instance, client, mlflow

    def serve(self, name: str, model: Any, **fields: Any) -> Endpoint:
        """Register *model* and serve it, to zero unless said otherwise."""
        models.register(self.mlflow, name, model)
        return self.put(name, **fields)

    def put(self, name: str, **fields: Any) -> Endpoint:
        entity = ServedEntity(name, Selector(SelectorKind.ACTIVE), **{"scale_to_zero": True, **fields})
        found = self.client.put_endpoint(EndpointSpec(name, (entity,)))
        return self.client.wait_ready(name, found.generation, 120, None, None)

    def until(self, what: str, check: Callable[[], Any], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.02)

    def state(self, name: str) -> VersionState:
        return self.client.endpoint(name).status.versions[0].state

    def at_zero(self, name: str) -> None:
        """Wait until nothing of it is loaded."""
        self.until("at zero", lambda: self.state(name) is VersionState.SCALED_TO_ZERO)
        self.until("unloaded", lambda: not self.workers())

    def parents(self) -> list[psutil.Process]:
        """The processes that hold a zygote and workers."""
        home = str(self.instance.home)
        lines = [(each, " ".join(each.info["cmdline"] or ())) for each in psutil.process_iter(["cmdline"])]
        return [each for each, line in lines if "/replica parent " in line and home in line]

    def workers(self) -> list[int]:
        """Processes that hold a model, by their parents: a fork has its zygote's command line, and its own name."""
        found = []
        for parent in self.parents():
            with contextlib.suppress(psutil.NoSuchProcess):
                children = [(each, f"{each.name()} {' '.join(each.cmdline())}") for each in parent.children()]
                found += [each.pid for each, line in children if line.startswith("worker ") or " worker " in line]
        return found

    def ask(self, name: str, count: int) -> list[Shot]:
        """*count* requests at once."""
        path = f"/serving-endpoints/{name}/invocations"
        with Load(self.instance.url, self.instance.token, path, models.BODY, rate=100_000.0, most=count) as load:
            load.wait_for(count)
        return load.shots

    def events(self, name: str) -> list[str]:
        answer = httpx.get(
            f"{self.instance.url}/api/modelserve/v1/endpoints/{name}/events", headers=self.instance.headers
        )
        return [each["message"] for each in answer.json()["events"] if each["kind"] == "scale"]

    def metric(self, name: str) -> float:
        text = httpx.get(f"{self.instance.url}/metrics", headers=self.instance.headers).text
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(f"{name} ")))


@pytest.fixture(scope="module")
def scaled() -> Iterator[Scaled]:
    """One instance for these tests."""
    with started_instance("mss-", SETTINGS) as instance:
        instance.wait_for_mlflow()
        with mlflow_of(instance) as mlflow, instance.client() as client:
            yield Scaled(instance, client, mlflow)


@pytest.fixture(scope="module")
def quiet(scaled: Scaled) -> str:
    """An endpoint that goes to zero."""
    scaled.serve("quiet", models.steady(scaled.mlflow, 7))
    return "quiet"


@pytest.mark.req("REQ-135")
@pytest.mark.usefixtures("quiet")
def test_a_hundred_at_once_wake_it_once_and_all_are_answered(scaled: Scaled, record_property: Any) -> None:
    scaled.at_zero("quiet")
    earlier = (_woken(scaled), scaled.metric("modelserve_activations_total"))
    found = scaled.client.endpoint("quiet")
    assert (found.status.service.value, found.status.update.value) == ("READY", "NOT_UPDATING")
    assert found.status.service_message.startswith("Scaled to zero")
    (kept,) = scaled.parents()
    for times, there in ((1, True), (2, False)):
        scaled.at_zero("quiet")
        if not there:
            kept.kill()
            scaled.until("nothing is left of it", lambda: not scaled.parents())
        shots = scaled.ask("quiet", MANY)
        Slo(versions=frozenset({"1"}), least=MANY).check(shots)
        record_property(f"wake, zygote kept={there}, last of {MANY}", max(each.answered for each in shots))
        now = (_woken(scaled), scaled.metric("modelserve_activations_total"))
        assert now[0] == earlier[0] + times, scaled.events("quiet")
        # The gateway counts anew when one of the hundred comes after its room was empty; nothing is started for that.
        assert now[1] >= earlier[1] + times


def _woken(scaled: Scaled) -> int:
    return sum("started again" in each for each in scaled.events("quiet"))


@pytest.mark.req("REQ-132", "REQ-134")
def test_load_brings_replicas_and_its_end_takes_them(scaled: Scaled) -> None:
    scaled.serve("busy", models.slow(scaled.mlflow, 3, 0.4), min_replicas=1, max_replicas=2)
    scaled.at_zero("busy")

    def replicas() -> int:
        return scaled.client.endpoint("busy").status.versions[0].ready_replicas

    path = "/serving-endpoints/busy/invocations"
    # Four at a time of 0.4 seconds each are 10 a second: a second replica is needed from the start.
    with Load(scaled.instance.url, scaled.instance.token, path, models.BODY, rate=15.0) as load:
        scaled.until("a second replica", lambda: replicas() == 2)
        assert scaled.workers()
        load.wait_for(load.sent + 15)
    scaled.until("one replica is enough", lambda: replicas() <= 1)
    scaled.at_zero("busy")
    Slo(versions=frozenset({"1"}), least=15).check(load.shots)
    assert scaled.client.endpoint("busy").status.update.value == "NOT_UPDATING"
    scaled.client.delete_endpoint("busy")
    scaled.client.wait_gone("busy")


@pytest.mark.req("REQ-135")
@pytest.mark.parametrize("when", ["controller at zero", "gateway at zero", "controller while it wakes"])
@pytest.mark.usefixtures("quiet")
def test_a_daemon_that_is_killed_costs_nobody_the_return(scaled: Scaled, when: str) -> None:
    scaled.at_zero("quiet")
    daemon = when.split()[0]
    before = scaled.instance.pid(daemon)
    path = "/serving-endpoints/quiet/invocations"
    if "zero" in when:
        os.kill(before, signal.SIGKILL)
        if daemon == "gateway":  # who cannot connect is not refused by us
            scaled.until("the gateway is back", lambda: _answers(scaled.instance))
        shots = scaled.ask("quiet", 20)
    else:
        with Load(scaled.instance.url, scaled.instance.token, path, models.BODY, rate=100.0, most=20) as load:
            scaled.until("somebody waits", lambda: scaled.metric("modelserve_requests_held") or load.shots)
            os.kill(before, signal.SIGKILL)
            load.wait_for(20)
        shots = load.shots
    Slo(least=20).check(shots)
    scaled.until("the daemon is back", lambda: scaled.instance.pid(daemon) != before)


def _answers(instance: RunningInstance) -> bool:
    try:
        return httpx.get(f"{instance.url}/health").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.req("REQ-135")
def test_a_model_that_broke_meanwhile_is_told_to_those_who_wait(scaled: Scaled, tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    needed.touch()
    scaled.serve("fragile", _needing(scaled.mlflow, str(needed)))
    scaled.at_zero("fragile")
    needed.unlink()
    shots = scaled.ask("fragile", 10)
    assert {each.status for each in shots} == {503}
    assert all("needed" in each.body and each.retry_after for each in shots), shots[0].body
    scaled.until("it failed", lambda: scaled.client.endpoint("fragile").status.update.value == "UPDATE_FAILED")
    assert scaled.client.endpoint("fragile").status.service.value == "FAILED"
    needed.touch()
    scaled.put("fragile")
    assert {each.status for each in scaled.ask("fragile", 1)} == {200}


def _needing(mlflow: Any, path: str) -> Any:
    class Needing(mlflow.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            import pathlib

            pathlib.Path(path).read_text(encoding="utf-8")

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [0 for _ in range(len(model_input))]

    return Needing()
