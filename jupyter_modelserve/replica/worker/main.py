"""Entry of the worker process: read the configuration, load, probe, tell the parent, serve."""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import threading
import traceback
from typing import Any, List, Optional, Tuple

from . import lifeline, loader, paths, probe
from .config import Config
from .failures import explain
from .scorer import Scorer
from .server import Server, end_process

_HEARTBEAT = 5.0


class Reporter:
    """Writes state changes to the parent as JSON lines."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor

    def send(self, state: str, **fields: Any) -> None:
        """One state change; a parent that is gone is noticed elsewhere."""
        line = json.dumps({"state": state, **fields}) + "\n"
        try:
            os.write(self._descriptor, line.encode("ascii"))
        except OSError:
            pass


def main(arguments: List[str]) -> int:
    """Run one version until the parent says drain or is gone; 1 when it could not be loaded."""
    del arguments  # They only show in the process list whose worker this is.
    descriptor = lifeline.take_standard_input()
    first = lifeline.read_line(descriptor)
    if not first:
        return 0
    config = Config(json.loads(first))
    # They come over the pipe, not in the environment that the process is started with: `ps` would show that.
    os.environ.update(config.secrets)
    lifeline.die_with_parent(config.parent_pid)
    reporter = Reporter(config.state_fd)
    server = Server(config)
    lifeline.watch(descriptor, lambda command: server.drain(float(command.get("drain", 0))))
    if config.listen_fd is None:
        server.start()
    reporter.send("LOADING")
    ready = _load_and_probe(config, reporter)
    if ready is None:
        end_process(1)
        return 1
    scorer, verdict, chosen = ready
    server.serve(scorer, chosen)
    server.ready = True
    if config.listen_fd is not None:
        # Connections wait in the backlog of the socket that was handed over until this lane can answer them.
        server.start()
    reporter.send("READY", verdict=verdict, batches=chosen.batches, path=chosen.path)
    _guard_against_a_held_lock(config)
    server.work()
    return 0


def _load_and_probe(config: Config, reporter: Reporter) -> Optional[Tuple[Scorer, str, paths.Paths]]:
    try:
        model_file = loader.read_model_file(config.directory)
        model = loader.load(config.directory)
        reporter.send("PROBING", loader=model_file.loader, signature=model_file.raw_signature)
        scorer = Scorer(model, model_file, config.unknown_columns, config.json_depth)
        verdict = probe.run(scorer, model_file)
        chosen = paths.choose(model, model_file, scorer, config)
    except BaseException as error:  # noqa: BLE001 - a model's code may raise anything, sys.exit included
        traceback.print_exc()
        reporter.send("FAILED", failure=explain(error, config.directory, config.hider))
        return None
    return scorer, verdict, chosen


def _guard_against_a_held_lock(config: Config) -> None:
    """Native code that never lets go of the interpreter lock would starve the watchdog; faulthandler needs no lock."""
    limit = config.timeout + config.kill_grace + 2 * _HEARTBEAT

    def beat() -> None:
        pause = threading.Event()
        while True:
            faulthandler.dump_traceback_later(limit, exit=True, file=sys.__stderr__ or sys.stderr)
            pause.wait(_HEARTBEAT)

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
