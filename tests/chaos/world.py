"""An instance that the chaos tests may break, with what they need to break it and to see that it mended."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import psutil

from jupyter_modelserve import locks
from jupyter_modelserve.errors import ModelServeError
from tests.chaos import models
from tests.chaos.substrate import Substrate, ended
from tests.support.instance import RunningInstance
from tests.support.load import MOST, RATE, Load, Shot

T = TypeVar("T")
LONG = os.environ.get("CHAOS") == "long"
REQUESTS = 20_000 if LONG else 2_000
KILLS = 20 if LONG else 5
API = "/api/modelserve/v1"
DAEMONS = ("gateway", "controller", "mlflow")
SETTINGS = "queue_per_worker = 2000\n"
"""A busy machine that stalls for a moment shall delay the load, not refuse it: back-pressure has tests of its own."""
CHANGE = 90.0
"""Seconds within which any change must be over: generous, because the machine may be busy."""
FIRST = 240.0
"""Seconds for a new endpoint: the first one may need the image of its environment to be built."""


def until(what: str, check: Callable[[], T | None], seconds: float = CHANGE) -> T:
    """Wait until *check* gives something true; what it gives."""
    deadline = time.monotonic() + seconds
    seen: T | None = None
    while True:
        seen = check()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"in {seconds:g} s never: {what} (last: {seen!r})"
        time.sleep(0.02)


@dataclass
class World:
    """One instance, MLflow's client library pointed at it, and the endpoints made by the running test."""

    instance: RunningInstance
    mlflow: Any
    substrate: Substrate
    settings: str
    made: list[str] = field(default_factory=list)

    # ------------------------------------------------------------------------------------------------ using it
    @property
    def registry(self) -> Any:
        """The unmodified MLflow client over HTTP."""
        return self.mlflow.MlflowClient()

    def register(self, name: str, *versions: Any) -> None:
        """Register models as versions 1, 2, … of *name*."""
        for version in versions:
            models.register(self.mlflow, name, version, self.substrate.requirements)

    def steady(self, name: str, count: int = 2) -> None:
        """Register *count* versions of *name*, each answering its own number."""
        self.register(name, *(models.steady(self.mlflow, number + 1) for number in range(count)))

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask our API; a gateway that was just killed is asked again for some seconds."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return httpx.request(
                    method, self.instance.url + path, headers=self.instance.headers, timeout=60, **options
                )
            except httpx.TransportError:
                assert time.monotonic() < deadline, f"{method} {path}: the gateway does not answer"
                time.sleep(0.05)

    def put(self, name: str, /, model: str, kind: str, value: str | None = None, **entity: Any) -> None:
        """Create an endpoint and wait until it serves."""
        body = {"entities": [{"model": model, "selector": {"kind": kind, "value": value}, **entity}]}
        answer = self.ask("PUT", f"{API}/endpoints/{name}", json=body)
        assert answer.status_code == 202, answer.text
        self.made.append(name)
        try:
            with self.instance.client() as client:
                client.wait_ready(name, answer.json()["generation"], timeout=FIRST)
        except ModelServeError as error:
            raise AssertionError(f"endpoint {name}: {error} {error.details}") from error

    def status(self, name: str) -> dict[str, Any]:
        """The status of an endpoint; empty while it cannot be had."""
        found: dict[str, Any] = self.ask("GET", f"{API}/endpoints/{name}").json().get("status", {})
        return found

    def version(self, name: str, number: str) -> dict[str, Any]:
        """The status of one version; empty when it is not there."""
        return next((each for each in self.status(name).get("versions", ()) if each["version"] == number), {})

    def stable(self, name: str, *versions: str) -> dict[str, Any]:
        """Wait until exactly these versions are READY and nothing is under way."""

        def check() -> dict[str, Any] | None:
            found = self.status(name)
            states = {each["version"]: each["state"] for each in found.get("versions", ())}
            over = (found.get("service"), found.get("update")) == ("READY", "NOT_UPDATING")
            return found if over and states == dict.fromkeys(versions, "READY") else None

        return until(f"endpoint {name} serves exactly {versions}", check)

    def score(self, path: str, body: str = models.BODY) -> httpx.Response:
        """One scoring request."""
        return self.ask("POST", path, content=body.encode())

    def load(self, path: str, rate: float = RATE, body: str = models.BODY, seconds: float = 0.0) -> Load:
        """Open-loop load on *path*; a context manager. It ends by itself, but not within *seconds*."""
        most = max(MOST, round(rate * seconds))
        return Load(self.instance.url, self.instance.token, path, body, rate=rate, most=most)

    # ------------------------------------------------------------------------------------------------ breaking it
    def processes(self, role: str = "", endpoint: str = "") -> list[psutil.Process]:
        """Processes of the instance: ``gateway``, ``controller``, ``mlflow``, ``parent``, ``zygote`` or ``worker``.

        All without a *role*. Of a version's lanes only the first counts as a worker, for the others come and go with
        the load; a worker that no parent knows counts as well.
        """
        others = self.other_lanes() if role == "worker" else set()
        return [
            found.process
            for found in self.substrate.processes()
            if role in {"", found.role} and endpoint in {"", found.endpoint} and found.process.pid not in others
        ]

    def other_lanes(self) -> set[int]:
        """Pids of lanes other than the first, as the parents tell."""
        return self.substrate.other_lanes()

    def daemon(self, name: str) -> psutil.Process:
        """The process that holds the lock of ``gateway`` or ``controller``; waits while there is none."""

        def look() -> psutil.Process | None:
            pid = locks.owner(self.instance.paths.lock(name)) if self._held(name) else None
            # One that was just killed may still be named: somebody who looks at the lock holds it for a moment.
            try:
                return psutil.Process(pid) if pid else None
            except psutil.NoSuchProcess:
                return None

        return until(f"the {name} runs", look, 60)

    def kill(self, process: psutil.Process) -> None:
        """SIGKILL, or ``docker kill`` for a container, and wait until it is really over."""
        self.substrate.kill(process)
        until(f"{process.pid} is dead", lambda: ended(process), 10)

    def kill_everything(self) -> None:
        """Kill every process of the instance. Not one of them may see the others die and mend them."""
        doomed = self.processes()
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):  # it went with its container
                self.kill(process)

    def kill_daemon(self, name: str) -> float:
        """Kill a daemon and wait until another answers; seconds that it took."""
        old = self.daemon(name)
        self.kill(old)
        begun = time.monotonic()
        until(f"a new {name} runs", lambda: self.daemon(name).pid != old.pid, 60)
        return time.monotonic() - begun

    def configure(self, text: str) -> None:
        """Have the controller work with these settings besides those of all chaos tests."""
        (self.instance.home / "settings.toml").write_text(self.settings + text)
        self.kill_daemon("controller")
        self.instance.wait_for_mlflow()

    # ------------------------------------------------------------------------------------------------ judging it
    def tidy(self, name: str, workers: int, replicas: int = 1) -> None:
        """Wait until the endpoint has exactly so many processes, directories, containers and volumes: no duplicate, no
        orphan.
        """
        seen: list[object] = []

        def check() -> bool:
            counts = len(self.processes("parent", name)), len(self.processes("worker", name))
            things = self.substrate.things_of(name)
            seen[:] = [counts, things]
            same = all(ids == things["records"] for ids in things.values())
            return counts == (replicas, workers) and same and len(things["records"]) == replicas

        try:
            until(f"{replicas} replicas and {workers} workers of {name}, nothing else", check)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {seen}") from None

    def ready(self, name: str) -> int:
        """How many workers of an endpoint answer that they are ready."""
        return self.substrate.ready(name)

    def remove_all(self) -> None:
        """Remove the endpoints of a test and prove that nothing of them is left."""
        names, self.made = list(dict.fromkeys(self.made)), []
        for name in names:
            self.ask("DELETE", f"{API}/endpoints/{name}")
        for name in names:
            self.gone(name)
        roles = ("parent", "zygote", "worker")
        until("no replica is left", lambda: not any(self.processes(each) for each in roles), 20)
        until("nothing else of a replica is left", lambda: not any(self.substrate.things().values()), 20)
        until("one of each daemon runs", lambda: [len(self.processes(each)) for each in DAEMONS] == [1, 1, 1], 30)

    def gone(self, name: str) -> None:
        """Wait until an endpoint does not exist any more."""
        until(f"{name} is gone", lambda: self.ask("GET", f"{API}/endpoints/{name}").status_code == 404)

    def answered_by(self, load: Load, version: str) -> None:
        """Wait until *version* answers the load."""
        until(f"version {version} answers", lambda: bool(load.shots) and load.shots[-1].version == version)

    def _held(self, name: str) -> bool:
        return locks.is_held(self.instance.paths.lock(name))


def told_apart(shots: list[Shot]) -> None:
    """Every answer was made by the version that it names: old or new, never a mixture."""
    wrong = [shot for shot in shots if shot.status == 200 and f"[{shot.version}]" not in shot.body.replace(" ", "")]
    assert not wrong, f"{len(wrong)} answers name another version than the one that made them: {wrong[:3]}"


@contextmanager
def timed(figures: dict[str, float], name: str) -> Iterator[None]:
    """Note how many seconds a block took."""
    begun = time.monotonic()
    yield
    figures[name] = time.monotonic() - begun
