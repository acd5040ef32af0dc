"""Instances of ours with settings of their own, each in a state directory that goes away at the end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import machine, models
from benchmarks.generator import connect
from benchmarks.servers import Server
from jupyter_modelserve import launcher
from jupyter_modelserve.client import session
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.client.verbs import specification
from jupyter_modelserve.settings import Paths

WAITING = 64
"""Requests that may wait per version: 64 clients ask at once, and none is to be refused."""
VARIANTS: Mapping[str, tuple[str, str]] = {
    "direct": ("", "Large"),
    "pyfunc": ("direct = false\n", "Large"),
    "pyfunc, no batching": ('direct = false\nbatching = "off"\n', "Small"),
}
"""Name to settings and compute size. Without batching, requests are spread over processes: Small has four at most."""


@dataclass(frozen=True)
class Ours:
    """A running instance with both models registered and served."""

    name: str
    paths: Paths
    url: str
    token: str

    def client(self) -> Client:
        """A client of this instance."""
        return Client.discover(paths=self.paths, url=self.url, token=self.token)

    def groups(self, model: str = "") -> dict[str, list[int]]:
        """Its processes by part: ``gateway``, ``worker`` (parents included; of one model), ``idle`` the rest.

        What is called idle decides what runs and keeps the registry; it answers no scoring request.
        """
        found: dict[str, list[int]] = {"gateway": [], "worker": [], "idle": []}
        wanted = {place for place, label in self.replicas().items() if label == model or not model}
        for pid, line in machine.processes_naming(str(self.paths.home)).items():
            if "jupyter_modelserve.gateway" in line:
                found["gateway"].append(pid)
            elif any(place in line for place in wanted):
                found["worker"].append(pid)
            else:
                found["idle"].append(pid)
        return found

    def replicas(self) -> dict[str, str]:
        """Directory of each replica to the endpoint that it works for."""
        found = {}
        for record in self.paths.replicas.glob("*/replica.json"):
            found[str(record.parent)] = str(json.loads(record.read_text()).get("endpoint", ""))
        return found

    def target(self, model: str, version: str = "1") -> dict[str, Any]:
        """The route to one version: ``address``, ``key`` and more, as the gateway has it."""
        targets = json.loads(self.paths.routes_file.read_text())["routes"]["targets"].values()
        return next(each for each in targets if (each["model"], each["version"]) == (model, version))

    def worker(self, model: str, version: str = "1") -> dict[str, Any]:
        """What the replica's parent says about the worker of one version."""
        for place, endpoint in self.replicas().items():
            if endpoint == model:
                record = json.loads((Path(place) / "replica.json").read_text())
                status = _ask(f"{record['sockets']}/control.sock", "/status", record["key"])
                for each in status["workers"].values():
                    if (each["model"], each["version"]) == (model, version):
                        found: dict[str, Any] = each
                        return found
        raise LookupError(f"no worker of {model} {version}")

    def server(self, model: str) -> Server:
        """Version 1 of a model through the gateway, with the token."""
        return Server(
            f"ours, {self.name}",
            model,
            self.url.removeprefix("http://"),
            f"/model/{model}/1/invocations",
            lambda: self.groups(model),
            {"authorization": f"Bearer {self.token}"},
            label=lambda: self.path(model),
        )

    def socket(self, model: str) -> Server:
        """The same version on its worker's own socket."""
        target = self.target(model)
        return replace(
            self.server(model),
            name=f"ours, {self.name}, worker's socket",
            address=target["address"].removeprefix("unix:"),
            path="/invocations",
            groups=lambda: self._without_gateway(model),
            headers={"x-modelserve-key": target["key"]},
        )

    def _without_gateway(self, model: str) -> dict[str, list[int]]:
        found = self.groups(model)
        return {"worker": found["worker"], "idle": found["gateway"] + found["idle"]}

    def path(self, model: str) -> str:
        """Which way the worker answers, in its own words."""
        found = self.worker(model)
        path = found.get("path") or {"kind": "pyfunc"}
        reason = f" ({path['reason']})" if path.get("reason") else ""
        return f"{path['kind']}{reason}, {'in batches' if found.get('batches') else 'one at a time'}"


@contextmanager
def instance(scratch: Path, name: str, settings: str = "") -> Iterator[Ours]:
    """An instance without a model, started and at the end stopped."""
    home = scratch / f"h{len(list(scratch.glob('h*')))}"
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text(f"queue_per_worker = {WAITING}\n{settings}")
    paths = Paths(home)
    try:
        found = launcher.ensure(paths)
        yield Ours(name, paths, found.url, paths.token_file.read_text().strip())
    finally:
        session.use(None)
        launcher.stop(paths)


@contextmanager
def serving(scratch: Path, variant: str, trained: Mapping[str, models.Model]) -> Iterator[Ours]:
    """An instance of one variant that serves version 1 of every model."""
    settings, size = VARIANTS[variant]
    with instance(scratch, variant, settings) as found:
        for name, model in trained.items():
            register(found, model, name)
            serve(found, f"{name}/1", name, size)
        yield found


def register(where: Ours, model: models.Model, name: str, *requirements: str) -> str:
    """Register as a user does in a notebook; returns the version."""
    import jupyter_modelserve as ms

    with where.client() as client:
        session.use(client)
        try:
            made = ms.register(
                model.fitted,
                name,
                input_example=model.frame.head(2),
                pip_requirements=[*models.pins(), *requirements],
            )
        finally:
            session.use(None)
    return str(made.version)


def serve(where: Ours, reference: str, name: str, size: str = "Small") -> None:
    """Serve and wait until it is ready."""
    with where.client() as client:
        endpoint = client.put_endpoint(specification(reference, name, size))
        client.wait_ready(name, endpoint.generation, 180)


def until(what: str, check: Callable[[], Any], seconds: float = 60.0, pause: float = 0.005) -> Any:
    """Wait for a condition and return what it returned.

    Raises:
        TimeoutError: it did not come true; names *what*.
    """
    end = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > end:
            raise TimeoutError(f"never: {what}")
        time.sleep(pause)
    return found


def _ask(socket: str, path: str, key: str) -> Any:
    with connect(socket) as wire:
        wire.sendall(
            f"GET {path} HTTP/1.1\r\nhost: parent\r\nx-modelserve-key: {key}\r\nconnection: close\r\n\r\n".encode()
        )
        data = b""
        while more := wire.recv(1 << 16):
            data += more
    return json.loads(data.partition(b"\r\n\r\n")[2])


def quiet() -> None:
    """MLflow says nothing and sends nothing while we measure."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.pop("MODELSERVE_URL", None)
