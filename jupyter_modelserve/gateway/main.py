"""The gateway as a process: lock, port, loop, end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import json
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from jupyter_modelserve import locks
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.gateway.app import Gateway
from jupyter_modelserve.gateway.front import Front
from jupyter_modelserve.launcher import port as port_keeping
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Instance, from_json

_SPARE_FILES: Final = 128
_KEEPER_PATIENCE_S: Final = 3.0
_PAUSE_S: Final = 0.05
_logger = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the gateway of the instance in ``--home``; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_modelserve.gateway", description="The data plane.")
    parser.add_argument("--home", type=Path, required=True, help="state directory of the instance")
    home: Path = parser.parse_args(arguments).home.absolute()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    paths = Paths(home)
    os.umask(0o077)
    try:
        paths.create()
        lock = locks.take(paths.lock("gateway"))
        if lock is None or paths.stopping_file.exists():
            return 0
        settings = Settings.load(home)
        instance = read_instance(paths)
        listener = listen(paths, instance.port)
    except (InvalidParameter, OSError) as error:
        return _fail(str(error))
    with lock:
        asyncio_run(_serve(paths, settings, instance, listener))
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return 1


def read_instance(paths: Paths) -> Instance:
    """The instance in ``instance.json``.

    Raises:
        InvalidParameter: it is missing or not readable; says how to make one.
    """
    try:
        instance = from_json(Instance, json.loads(paths.instance_file.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        message = f"there is no instance in {paths.home}; start one with: jupyter modelserve up"
        raise InvalidParameter(message) from error
    except ValueError as error:
        raise InvalidParameter(f"{paths.instance_file} is not valid JSON: {error}") from error
    if not 0 < instance.port < 65536:
        raise InvalidParameter(f"{paths.instance_file}: port {instance.port} is not usable")
    return instance


def listen(paths: Paths, port: int, patience: float = _KEEPER_PATIENCE_S) -> socket.socket:
    """The listening socket: the one that the controller kept when the last gateway died, else a new one.

    Raises:
        InvalidParameter: another program has the port.
    """
    until = time.monotonic() + patience
    while True:
        kept = port_keeping.ask(paths, "controller", port)
        if kept is not None:
            _logger.info("goes on with the port that the controller kept")
            return kept
        try:
            return bind(port)
        except InvalidParameter:
            # A controller that is busy may have it and be late with its answer.
            if time.monotonic() > until or not locks.is_held(paths.lock("controller")):
                raise
        time.sleep(_PAUSE_S)


def bind(port: int) -> socket.socket:
    """The listening socket on loopback.

    Made with ``IPPROTO_TCP``: asyncio sets TCP_NODELAY only then, and without it each answer waits 40 ms.

    Raises:
        InvalidParameter: another program has the port.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        why = "is taken by another program" if error.errno == errno.EADDRINUSE else "may not be used by this user"
        raise InvalidParameter(
            f"port {port} on 127.0.0.1 {why}; choose another one with: jupyter modelserve up --port N"
        ) from error
    listener.setblocking(False)
    return listener


def asyncio_run(main_coroutine: Awaitable[None]) -> None:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_as_coroutine(main_coroutine))


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable


async def _serve(paths: Paths, settings: Settings, instance: Instance, listener: socket.socket) -> None:
    gateway = Gateway(paths, settings, instance, os.getpid())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gateway.stop.set)
    gateway.snapshots.load()
    front = Front(gateway, max_connections())
    parts = (gateway.snapshots.run, gateway.partner.run, gateway.usage.run, gateway.hints.run, gateway.log.run)
    tasks = [asyncio.create_task(_forever(each)) for each in (*parts, gateway.streams.run, gateway.demand.run)]
    spare = listener.dup()
    await front.listen(listener, paths.gateway_socket)
    tasks.append(asyncio.create_task(_lend(paths, spare, gateway.stop)))
    _logger.info("gateway of %s serves http://127.0.0.1:%d", paths.home, instance.port)
    await front.run(gateway.stop)
    for task in tasks:
        task.cancel()
    await gateway.usage.report()
    gateway.log.flush()
    paths.gateway_socket.unlink(missing_ok=True)


async def _lend(paths: Paths, listener: socket.socket, stop: asyncio.Event) -> None:
    """Hand the port to the controller, for the case that we are killed."""
    lending = port_keeping.Lending(paths.port_socket("gateway"))
    lending.held = listener
    try:
        lending.open()
        await stop.wait()
    except OSError as error:
        _logger.warning("the port is not handed to the controller: %s", error)
    finally:
        lending.close()


async def _forever(part: Callable[[], Awaitable[None]]) -> None:
    """A part that fails is logged and started again: none of them may end silently."""
    while True:
        try:
            await part()
        except Exception:
            _logger.exception("a part of the gateway failed and is started again")
        await asyncio.sleep(1.0)


def max_connections() -> int:
    """Raise the limit on open files as far as allowed; how many callers that leaves room for.

    It is half of the files, because each caller may need a connection to a process behind.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(64, (soft - _SPARE_FILES) // 2)
