"""How long things take that happen once: starting, a new version, building an environment, coming back from a crash.

Every figure is a list of repetitions in seconds (or MiB), so that the spread is seen. ``python -m benchmarks startup
NAME…`` runs single ones.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import containers, machine, models, ours, servers, waking
from benchmarks.ours import Ours, until
from benchmarks.servers import ROOT, Server
from jupyter_modelserve import launcher
from jupyter_modelserve.client import session

TIMES = int(os.environ.get("BENCH_REPEATS", "3"))
Trained = Mapping[str, models.Model]
Found = dict[str, list[float]]


class Asker:
    """Asks one address for one row again and again over a connection that it renews when it breaks."""

    def __init__(self, server: Server, body: str) -> None:
        self._server, self._body = server, body
        self._wire: servers.Plain | None = None

    def status(self) -> int:
        """Status of one request; 0 when nothing answers."""
        self._wire = self._wire or servers.Plain(self._server.address)
        try:
            return self._wire.ask(self._server, self._body)[0]
        except (OSError, http.client.HTTPException):
            self._wire.close()
            self._wire = None
            return 0


def _asker(server: Server, model: models.Model) -> Asker:
    return Asker(server, models.bodies(model, models.ONE, server.encode)[0])


# ---------------------------------------------------------------------------------------------------- starting
_SERVE = """
import json, sys, time
begun = time.perf_counter()
import jupyter_modelserve as ms
ms.serve("lr/1")
ready = time.perf_counter() - begun
ms.score("lr/1", json.loads(sys.argv[1]))
print(json.dumps([ready, time.perf_counter() - begun]))
"""


def cold_start(scratch: Path, trained: Trained) -> Found:
    """``%serve`` in a fresh kernel while no daemon runs, until it returns and until the first answer."""
    ready, answered = [], []
    body = models.bodies(trained["lr"], models.ONE)[0]
    with ours.instance(scratch, "cold") as found:
        ours.register(found, trained["lr"], "lr")
        for _ in range(TIMES):
            launcher.stop(found.paths)
            done = subprocess.run(
                [sys.executable, "-c", _SERVE, body],
                env={**os.environ, "MODELSERVE_HOME": str(found.paths.home)},
                capture_output=True, text=True, check=True, cwd=ROOT,
            )  # fmt: skip
            first, second = json.loads(done.stdout.splitlines()[-1])
            ready.append(first)
            answered.append(second)
            with found.client() as client:
                client.delete_endpoint("lr")
                client.wait_gone("lr", 60)
    return {"%serve with daemons down → returned": ready, "%serve with daemons down → first answer": answered}


def cold_start_of_mlflow(scratch: Path, trained: Trained) -> Found:
    """``mlflow models serve`` until its first answer."""
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        with servers.mlflow(trained["lr"], scratch):
            took.append(time.perf_counter() - begun)
    return {"mlflow models serve → first answer": took}


# ---------------------------------------------------------------------------------------------------- versions
def new_version(scratch: Path, trained: Trained) -> Found:
    """A version is registered while another of its model runs: until its own address answers, and what it weighs."""
    took, from_return, weights, own = [], [], [], []
    model = trained["lr"]
    with ours.instance(scratch, "versions") as found:
        ours.register(found, model, "lr")
        ours.serve(found, "lr", "lr")
        for number in range(2, TIMES + 2):
            before = _weight(found)
            first_answer = _first_answer_of(found, model, str(number))
            version = ours.register(found, model, "lr")
            returned = time.time()
            answered = first_answer()
            with found.client() as client:
                (made,) = [each for each in client.model("lr").versions if each.version == version]
            took.append(answered - made.created_at / 1000)
            from_return.append(max(answered - returned, 0.0))
            # Fresh processes still settle: their first collections and imports come with the first requests.
            time.sleep(1)
            after = _weight(found)
            weights.append(after["pss"] - before["pss"])
            own.append(after["own"] - before["own"])
    return {
        "version registered (its creation in the registry) → first answer": took,
        "`%register` returned → first answer": from_return,
        "memory of a further version, PSS, MiB": weights,
        "memory of a further version, own pages, MiB": own,
    }


def _first_answer_of(found: Ours, model: models.Model, version: str) -> Callable[[], float]:
    """Begin to ask for a version that does not exist yet; the result waits for its first answer and tells when."""
    heard: list[float] = []
    server = found.server("lr")
    asker = _asker(servers.renamed(server, f"/model/lr/{version}/invocations"), model)

    def ask() -> None:
        until(f"version {version} answers", lambda: asker.status() == 200, 120)
        heard.append(time.time())

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()

    def wait() -> float:
        thread.join()
        return heard[0]

    return wait


def _weight(found: Ours) -> dict[str, float]:
    return machine.memory_of(found.groups()["worker"])


# ---------------------------------------------------------------------------------------------------- environments
def environments(scratch: Path, trained: Trained) -> Found:
    """An environment that nobody has yet: with an empty cache of uv, and with a full one."""
    took: Found = {"environment build, empty cache": [], "environment build, full cache": []}
    with tempfile.TemporaryDirectory(prefix="uv-", dir=scratch) as cache:
        os.environ["UV_CACHE_DIR"] = cache
        try:
            with ours.instance(scratch, "environments", "borrow = false\n") as found:
                for number, times in enumerate(took.values()):
                    # One more requirement that is there anyway makes it another environment.
                    extra = (f"packaging>=2{number}",)
                    model = f"m{number}"
                    ours.register(found, trained["lr"], model, *extra)
                    ours.serve(found, f"{model}/1", model)
                    times.append(_phase(found, model, "environment"))
        finally:
            del os.environ["UV_CACHE_DIR"]
    return took


def _phase(found: Ours, endpoint: str, name: str) -> float:
    with found.client() as client:
        (version,) = client.endpoint(endpoint).status.versions
    return sum(each.seconds for each in version.phases if each.name == name)


# ---------------------------------------------------------------------------------------------------- crashes
def crash(scratch: Path, trained: Trained) -> Found:
    """``kill -9`` of the worker: until the version answers again, and the failures of a caller that keeps asking."""
    took, failed = [], []
    model = trained["lr"]
    with ours.instance(scratch, "crash") as found:
        ours.register(found, model, "lr")
        ours.serve(found, "lr/1", "lr")
        asker = _asker(found.server("lr"), model)
        for _ in range(TIMES):
            until("it answers", lambda: asker.status() == 200)
            pid = until("it runs", lambda: found.worker("lr")["pid"])
            begun = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            errors = 0
            while True:
                status = asker.status()
                if status == 200 and found.worker("lr")["pid"] not in {pid, None}:
                    break
                errors += status != 200
                time.sleep(0.001)
            took.append(time.perf_counter() - begun)
            failed.append(float(errors))
    return {"kill -9 of the worker → next answer": took, "requests that failed meanwhile": failed}


def memory(scratch: Path, _: Trained) -> Found:
    """The gateway's memory, idle, right after its start."""
    weights = []
    for _time in range(TIMES):
        with ours.instance(scratch, "memory") as found:
            weights.append(machine.memory_of(found.groups()["gateway"])["pss"])
    return {"gateway, idle, PSS, MiB": weights}


PARTS: Mapping[str, Callable[[Path, Trained], Found]] = {
    "cold": cold_start,
    "mlflow": cold_start_of_mlflow,
    "version": new_version,
    "environments": environments,
    "crash": crash,
    "memory": memory,
    "docker": containers.run,
    "wake": waking.processes,
    "wake-docker": waking.containers,
}


def run(scratch: Path, trained: Trained, names: list[str] | None = None) -> dict[str, Any]:
    """All parts, or those named; a part that fails says why instead of ending the run."""
    found: dict[str, Any] = {}
    for name in names or PARTS:
        print(f"measuring: {(PARTS[name].__doc__ or name).splitlines()[0]}", file=sys.stderr, flush=True)
        try:
            found |= PARTS[name](scratch, trained)
        except Exception as error:  # noqa: BLE001 - one part's failure is a line of the table
            found[f"{name}: failed"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        finally:
            session.use(None)
        print(json.dumps(found, indent=1), file=sys.stderr)
    return found
