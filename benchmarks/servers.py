"""A server under test: where it listens, what it is sent, which processes it is, and a proof that it answers right."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks import floor, generator, machine, models

_START = 180.0
ROOT = Path(__file__).resolve().parents[1]


def _predictions(answer: Any) -> list[int]:
    found = answer["predictions"] if isinstance(answer, dict) else answer
    return [int(each) for each in found]


def nothing_more() -> dict[str, list[int]]:
    """No processes."""
    return {}


@dataclass(frozen=True)
class Server:
    """One server with one model.

    ``address`` is ``host:port`` or the path of a unix socket. ``groups`` gives its processes by part; those of
    ``"idle"`` belong to it but do not answer requests. ``decode`` turns a parsed answer into labels.
    """

    name: str
    model: str
    address: str
    path: str
    groups: Callable[[], dict[str, list[int]]]
    headers: Mapping[str, str] = field(default_factory=dict)
    encode: models.Encode = models.split
    decode: Callable[[Any], list[int]] = _predictions
    checked: bool = True
    label: Callable[[], str] = str

    @property
    def tcp(self) -> bool:
        """Whether it listens on loopback, not on a unix socket."""
        return not self.address.startswith("/")

    def head(self, body: str) -> str:
        """The head of a request with this body."""
        host = self.address if self.tcp else "worker"
        lines = {"host": host, "content-type": "application/json", "content-length": str(len(body)), **self.headers}
        return f"POST {self.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())


def renamed(server: Server, path: str) -> Server:
    """The same server under another path."""
    return replace(server, path=path)


@dataclass(frozen=True)
class Conversation:
    """Requests for one kind of work and the exact bodies that this server answers them with when it is right."""

    bodies: list[str]
    answers: list[str]
    wrong: int = 0
    first_wrong: str = ""


def prove(server: Server, model: models.Model, kind: str) -> Conversation:
    """Ask everything once and compare with what the estimator itself says; the answers are then known to the byte."""
    bodies = models.bodies(model, kind, server.encode)
    if not server.checked:
        return Conversation(bodies, [floor.ANSWER.decode()] * len(bodies))
    answers, wrong, first = [], 0, ""
    connection = Plain(server.address)
    try:
        for body, question in zip(bodies, models.questions(model, kind), strict=True):
            status, text = connection.ask(server, body)
            answers.append(text)
            if status != 200 or server.decode(json.loads(text)) != question.labels:
                wrong += 1
                first = first or f"{status} {text[:300]}"
    finally:
        connection.close()
    return Conversation(bodies, answers, wrong, first)


class Plain(http.client.HTTPConnection):
    """A connection to either kind of address."""

    def __init__(self, address: str) -> None:
        super().__init__("localhost", timeout=60)
        self._address = address

    def connect(self) -> None:
        self.sock = generator.connect(self._address)

    def ask(self, server: Server, body: str) -> tuple[int, str]:
        """Status and body of one request."""
        self.request("POST", server.path, body, {"content-type": "application/json", **server.headers})
        answer = self.getresponse()
        return answer.status, answer.read().decode()


# ------------------------------------------------------------------------------------------------------- starting
def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def first_answer(server: Server, model: models.Model, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until one request is answered with 200.

    Raises:
        RuntimeError: it ended, or did not answer in three minutes; with the last lines of its log.
    """
    (body, *_) = models.bodies(model, models.ONE, server.encode)
    until = time.monotonic() + _START
    while time.monotonic() < until and process.poll() is None:
        connection = Plain(server.address)
        try:
            if connection.ask(server, body)[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.004)
    raise RuntimeError(f"{server.name} does not answer: {log.read_text(errors='replace')[-1500:]}")


@contextmanager
def running(
    command: list[str], log: Path, cwd: Path | None = None, **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process in a session of its own; ended with everything below it."""
    # Servers start helpers by name, so the environment's own programs come first.
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true", **environ}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=variables, cwd=cwd, start_new_session=True)
        try:
            yield process
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process politely, and what is left below it after ten seconds for good."""
    # psutil knows a process by its start time as well, so a number that was given away meanwhile is left alone.
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
    _, left = psutil.wait_procs(below, 5)
    for each in left:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait(10)


@contextmanager
def constant(model: models.Model, scratch: Path) -> Iterator[Server]:
    """The floor."""
    port = free_port()
    log = scratch / f"floor-{port}.log"
    with running([sys.executable, "-m", "benchmarks.floor", str(port)], log, cwd=ROOT) as process:
        groups = tree_of("server", process.pid)
        server = Server("constant answer (floor)", model.name, f"127.0.0.1:{port}", "/", groups, checked=False)
        first_answer(server, model, process, log)
        yield server


@contextmanager
def mlflow(model: models.Model, scratch: Path) -> Iterator[Server]:
    """``mlflow models serve`` with one worker, in the environment that we run in."""
    port = free_port()
    log = scratch / f"mlflow-{port}.log"
    with running(mlflow_command(model, port), log) as process:
        server = Server(
            "mlflow models serve", model.name, f"127.0.0.1:{port}", "/invocations", tree_of("server", process.pid)
        )
        first_answer(server, model, process, log)
        yield server


def mlflow_command(model: models.Model, port: int) -> list[str]:
    """How it is started. Two workers on two cores are slower for lone requests, so it gets one."""
    serve = ["-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"]
    return [sys.executable, *serve, "-m", str(model.directory), "-p", str(port)]


def tree_of(group: str, pid: int) -> Callable[[], dict[str, list[int]]]:
    """Groups of one part: a process and everything below it, looked up at each call."""
    return lambda: {group: machine.tree(pid)}
