"""The controller daemon: takes its lock, recovers what runs, serves its socket, ends in order.

Start-up is recovery and there is no other path: lock → tables → token → adopt → publish (architecture §5).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import logging.handlers
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from jupyter_modelserve import locks
from jupyter_modelserve.controller.app import create_app
from jupyter_modelserve.controller.checking.running import Runner
from jupyter_modelserve.controller.checking.service import Checks
from jupyter_modelserve.controller.endpoints.manager import Endpoints
from jupyter_modelserve.controller.endpoints.preparation import Preparer
from jupyter_modelserve.controller.endpoints.publication import Publication
from jupyter_modelserve.controller.engines.base import Engine
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.idle import GatewayAddress, until_idle
from jupyter_modelserve.controller.lineage import keeper
from jupyter_modelserve.controller.machinery import Machinery
from jupyter_modelserve.controller.mlflow_child import MlflowChild
from jupyter_modelserve.controller.parts import Controller
from jupyter_modelserve.controller.registry.recording import Recorder
from jupyter_modelserve.controller.registry.watch import ChangeWatch
from jupyter_modelserve.controller.store import tokens
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.local_user import local_user
from jupyter_modelserve.launcher import identity
from jupyter_modelserve.launcher.partner import Partner
from jupyter_modelserve.launcher.port import Keeper
from jupyter_modelserve.launcher.spawning import spawn_gateway
from jupyter_modelserve.settings import Paths, Settings
from jupyter_modelserve.types import Instance

STOP_GRACE = 5.0
log = logging.getLogger("jupyter_modelserve.controller")


def main() -> None:
    """``python -m jupyter_modelserve.controller --home DIR``: run until told to end."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_modelserve.controller", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="state directory of the instance")
    paths = Paths(parser.parse_args().home)
    paths.create()
    os.umask(0o077)
    lock = locks.take(paths.lock("controller"))
    if lock is None or paths.stopping_file.exists():
        sys.exit(0)
    instance = identity.read(paths)
    if instance is None:
        sys.exit(f"{paths.instance_file} is missing; start the instance with `jupyter modelserve up`")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(serve(paths, instance))


async def serve(paths: Paths, instance: Instance) -> None:
    """Run the controller of *instance* until it is told to end."""
    settings = Settings.load(paths.home)
    if _database_lost(paths):
        sys.exit(
            f"{paths.database} is missing, and something is served from it: put it back "
            f"(or, to begin anew, remove {paths.routes_file} as well)"
        )
    database = Database.of(paths, settings.secret_key_file)
    await database.prepare()
    await database.run(tokens.adopt, paths.token_file.read_text().strip(), local_user(), "the local user's token")
    machinery = Machinery(paths, settings, instance.instance_id)
    engine = machinery.engines
    publication = Publication(instance.instance_id, database)
    preparer = Preparer(instance.instance_id, paths, database, machinery.environments)
    endpoints = Endpoints(database, engine, preparer, publication, settings, instance.url)
    child = MlflowChild(paths, settings)
    recorder = Recorder(database, paths)
    governance = Governance(database, publication.governed)
    runner = Runner(instance.instance_id, paths, settings, engine, machinery.clean)
    checks = Checks(database, paths, runner)
    controller = Controller(instance, paths, settings, database, publication, endpoints, child, governance, checks)
    await endpoints.start()
    background = [
        asyncio.create_task(child.run(), name="mlflow"),
        asyncio.create_task(ChangeWatch(database, endpoints.wake_models, created=recorder.created).run(), name="watch"),
        asyncio.create_task(machinery.keep(endpoints.wake_all, endpoints.names), name="engines"),
        asyncio.create_task(_wake_on_acknowledgement(publication, endpoints), name="acknowledgements"),
        asyncio.create_task(checks.sweep(), name="checks"),
        asyncio.create_task(governance.watch(local_user()), name="grants"),
        asyncio.create_task(keeper.keep(database), name="lineage"),
        asyncio.create_task(Partner(paths, "gateway", spawn_gateway).run(), name="partner"),
    ]
    background.insert(0, asyncio.create_task(_end_when_idle(controller), name="idle"))
    background.insert(0, asyncio.create_task(Keeper(paths, instance.port).run(), name="port"))
    try:
        await _listen(controller)
    finally:
        await endpoints.close()
        await checks.close()
        background.pop().cancel()  # the partner: nobody is brought back from here on
        if controller.stop_replicas:
            await _stop_replicas(engine)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await machinery.close()
        await database.close()
        log.info("ended")


def _database_lost(paths: Paths) -> bool:
    """Whether the gateway still routes to what a database said that is not there now.

    An empty one in its place would be taken for the wish that nothing be served.
    """
    try:
        if paths.database.stat().st_size:
            return False
    except FileNotFoundError:
        pass
    try:
        return bool(json.loads(paths.routes_file.read_text(encoding="utf-8"))["routes"]["endpoints"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _bind(path: Path) -> socket.socket:
    """Our address, for this user only even where the directory would let others in."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(path))
    path.chmod(0o600)
    return listening


class _Server(uvicorn.Server):
    """Leaves signals to us: they must end the whole controller in order, not only its HTTP server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


async def _listen(controller: Controller) -> None:
    """Serve the unix socket until the controller is told to end, by request or by signal."""
    listening = _bind(controller.paths.controller_socket)
    config = uvicorn.Config(
        create_app(controller), log_config=None, access_log=False, lifespan="off",
        timeout_graceful_shutdown=int(STOP_GRACE), server_header=False,
    )  # fmt: skip
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, controller.stopping.set)
    serving = asyncio.create_task(server.serve(sockets=[listening]), name="listen")
    stopping = asyncio.create_task(controller.stopping.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


async def _end_when_idle(controller: Controller) -> None:
    gateway = GatewayAddress(controller.paths)

    async def count() -> int:
        try:
            return len(await controller.endpoints.listing())
        except SQLAlchemyError:
            return 1  # the database is away: what cannot be counted may be there

    await until_idle(controller.settings.idle_exit, count, gateway.idle)
    await asyncio.to_thread(controller.paths.stopping_file.touch, 0o600)
    await gateway.stop()
    controller.stop_replicas = True
    controller.stopping.set()


async def _wake_on_acknowledgement(publication: Publication, endpoints: Endpoints) -> None:
    seen = -1
    while True:
        await publication.acknowledged_changed.wait(seen, 60)
        seen = publication.acknowledged_changed.count
        endpoints.wake_all()


async def _stop_replicas(engine: Engine) -> None:
    found = await engine.observe()
    await asyncio.gather(*(engine.stop(each.id, STOP_GRACE) for each in found), return_exceptions=True)
