"""A real parent with real workers in a temporary directory, driven over its sockets."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import jupyter_modelserve
from tests.unit.replica import models

PACKAGE = Path(jupyter_modelserve.__file__).parent / "replica"
KEY = "k" * 32
DEADLINE = 60.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("replica", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Answer:
    """Status, headers and body of a response."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def call(
    path: str | Path, method: str, target: str, body: Any = None, *, key: str = KEY, timeout: float = 30, **headers: str
) -> Answer:
    """One request over a unix socket on a connection of its own."""
    connection = _UnixConnection(str(path), timeout)
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"x-modelserve-key": key, "x-request-id": "r-1", "content-type": "application/json"}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    try:
        connection.request(method, target, raw, sent)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, names, response.read())
    finally:
        connection.close()


def until(condition: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
    """Wait for a truthy result; fails with *what* after *deadline* seconds."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {deadline} s: {what}")


def is_running(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """Pids of a process's children, dead ones that nobody collected included."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> bytes:
    """The command line; empty when the process has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def name(pid: int) -> str:
    """What ``ps`` calls a process."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class Replica:
    """A replica directory with its parent."""

    def __init__(
        self,
        root: Path,
        sockets: Path,
        log_limit: int = 1_000_000,
        start_method: str = "fork",
        lane_idle: float = 60.0,
        python: str = sys.executable,
    ) -> None:
        self.python = python
        self.root = root
        self.sockets = sockets
        document = {
            "replica_id": "abc",
            "spec_hash": "h",
            "nonce": "n-1",
            "key": KEY,
            "sockets": str(sockets),
            "log_limit": log_limit,
            "start_method": start_method,
            "lane_idle": lane_idle,
        }
        (root / "replica.json").write_text(json.dumps(document))
        self.process: subprocess.Popen[bytes]

    def start(self, **environ: str) -> None:
        command = [self.python, str(PACKAGE), "parent", str(self.root)]
        with (self.root / "parent.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **environ},
                cwd=self.root,
            )
        until(lambda: self.ping() or self.process.poll() is not None, "the parent answers or ends")

    def ping(self) -> bool:
        try:
            return self.control("GET", "/status").status == 200
        except OSError:
            return False

    def control(self, method: str, target: str, body: Any = None, **options: Any) -> Answer:
        return call(self.sockets / "control.sock", method, target, body, **options)

    def put(self, worker: str, directory: Path, **spec: Any) -> Answer:
        document = {"model": "iris", "version": "1", "directory": str(directory), **spec}
        return self.control("PUT", f"/workers/{worker}", document)

    def worker(self, worker: str) -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", "/status").json["workers"].get(worker, {})
        return found

    def wait(self, worker: str, *states: str) -> dict[str, Any]:
        """Wait until the worker is in one of the states (READY or FAILED by default)."""
        wanted = states or ("READY", "FAILED")
        found: dict[str, Any] = until(
            lambda: self.worker(worker) if self.worker(worker).get("state") in wanted else None,
            f"{worker} becomes {wanted}",
        )
        return found

    def score(self, worker: str, body: Any, **options: Any) -> Answer:
        return call(self.sockets / f"{worker}.sock", "POST", "/invocations", body, **options)

    def zygote(self) -> int | None:
        """The pid of the parent's zygote."""
        found = children(self.process.pid)
        return next((pid for pid in found if b"zygote" in command(pid) and not name(pid).startswith("worker")), None)

    def log(self, worker: str, tail: int = 1000) -> str:
        return self.control("GET", f"/workers/{worker}/log?tail={tail}").body.decode()

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


FORKS = sys.platform.startswith("linux")


@pytest.fixture(params=["fork", "spawn"] if FORKS else ["spawn"])
def start_method(request: pytest.FixtureRequest) -> str:
    """How workers are started: the spawned worker is the rule that the forked one must not differ from."""
    return str(request.param)


@pytest.fixture
def make_replica(tmp_path: Path, start_method: str) -> Iterator[Callable[..., Replica]]:
    """Start replicas; they are killed with everything in their session at the end."""
    made: list[Replica] = []
    with tempfile.TemporaryDirectory(prefix="ms-") as short:

        def make(
            log_limit: int = 1_000_000,
            lane_idle: float = 60.0,
            python: str = sys.executable,
            start_method: str = start_method,
            **environ: str,
        ) -> Replica:
            root = tmp_path / f"replica{len(made)}"
            sockets = Path(short) / str(len(made))
            for directory in (root, sockets):
                directory.mkdir(mode=0o700)
            replica = Replica(root, sockets, log_limit, start_method, lane_idle, python)
            made.append(replica)
            replica.start(**environ)
            return replica

        yield make
        for replica in made:
            replica.end()


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """See lending.py."""
    from tests.contract.replica.lending import Lender

    found = Lender(tmp_path_factory.mktemp("lent"))
    yield found
    found.close()


@pytest.fixture
def replica(lender: Any, start_method: str) -> Iterator[Replica]:
    """One running parent without workers. Other tests had it before and will have it, if this one changes only workers;
    ``make_replica`` is for tests that say more about a parent or its zygote.
    """
    yield lender.lend(start_method)
    lender.take_back(start_method)


@pytest.fixture(scope="session")
def iris_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LogisticRegression with an input example."""
    return models.save_iris(tmp_path_factory.mktemp("iris") / "model")


@pytest.fixture(scope="session")
def save_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Save a python model that calls a function; returns its directory."""

    def save(function: Callable[..., Any], signature: Any = None, **options: Any) -> Path:
        return models.save(tmp_path_factory.mktemp("model") / "model", function, signature, **options)

    return save
