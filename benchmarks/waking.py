"""How long the first request after scaling to zero takes: with the empty warm process kept, and with nothing kept.

``wake`` measures processes, ``wake-docker`` containers (needs a Docker engine; BENCH_BASE_IMAGE names the base image).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, models, ours, servers
from benchmarks.ours import Ours, until
from jupyter_modelserve.client.verbs import specification
from jupyter_modelserve.types import VersionState

BASE = os.environ.get("BENCH_BASE_IMAGE", "modelserve-base:{python}")
TIMES = int(os.environ.get("BENCH_REPEATS", "3"))
IDLE = 0.5
Found = dict[str, list[float]]
_KEPT: Mapping[str, float] = {"empty one kept": 3600.0, "nothing kept": 0.0}


def processes(scratch: Path, trained: Mapping[str, models.Model]) -> Found:
    """Wake from zero, process engine."""
    return _measure(scratch, trained["lr"], "process", "")


def containers(scratch: Path, trained: Mapping[str, models.Model]) -> Found:
    """Wake from zero, Docker engine."""
    return _measure(scratch, trained["lr"], "container", f'engine = "docker"\nbase_image = "{BASE}"\n')


def _measure(scratch: Path, model: models.Model, kind: str, settings: str) -> Found:
    found: Found = {}
    for what, keep in _KEPT.items():
        times = f"scale_to_zero = {IDLE}\nzero_keep = {keep}\n{settings}"
        with ours.instance(scratch, "wake", times) as where:
            ours.register(where, model, "lr")
            _serve(where)
            took = found.setdefault(f"wake from zero → first answer, {kind}, {what}", [])
            weights: list[float] = []
            for _ in range(TIMES):
                _until_zero(where, gone=keep == 0.0)
                if keep and kind == "process":
                    weights.append(machine.memory_of(where.groups()["worker"])["pss"])
                took.append(_first_answer(where, model))
            if weights:
                found["at zero, what is kept of a process, PSS, MiB"] = weights
    return found


def _serve(where: Ours) -> None:
    spec = specification("lr/1", "lr", scale_to_zero=True)
    with where.client() as client:
        client.wait_ready("lr", client.put_endpoint(spec).generation, 600)


def _until_zero(where: Ours, *, gone: bool) -> None:
    with where.client() as client:

        def asleep() -> bool:
            return client.endpoint("lr").status.versions[0].state is VersionState.SCALED_TO_ZERO

        until("it is at zero", asleep, 60)
    records = (where.paths.replicas, where.paths.containers)
    empty: Callable[[], bool] = lambda: not any(list(each.glob("*/replica.json")) for each in records)  # noqa: E731
    if gone:
        until("nothing is left of it", empty, 60)
    else:
        time.sleep(1.0)  # the worker has ended by then, and what is kept is idle


def _first_answer(where: Ours, model: models.Model) -> float:
    server = replace(where.server("lr"), path="/serving-endpoints/lr/invocations")
    (body, *_) = models.bodies(model, models.ONE, server.encode)
    with closing(servers.Plain(server.address)) as connection:
        begun = time.perf_counter()
        status, text = connection.ask(server, body)
        took = time.perf_counter() - begun
    if status != 200:
        raise RuntimeError(f"HTTP {status}: {text[:200]}")
    return took
