"""Ends what runs for nobody: replicas of endpoints that no longer exist, and what a killed controller left in Docker.

Normally nothing is left: an endpoint is forgotten only when its replicas are gone. But a database may be put back from
a copy, a record be lost, a controller be killed between two steps.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from jupyter_modelserve import names
from jupyter_modelserve.controller.engines.base import EngineError, ObservedReplica
from jupyter_modelserve.controller.engines.docker.engine import DockerEngine
from jupyter_modelserve.controller.engines.together import Engines
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.types import ReplicaState

EVERY: Final = 600.0
_GRACE: Final = 10.0
_UNDERWAY: Final = frozenset({ReplicaState.PENDING, ReplicaState.CREATING, ReplicaState.DRAINING, ReplicaState.UNKNOWN})
log = logging.getLogger(__name__)

Known = Callable[[], Awaitable[frozenset[str]]]
"""Names of all endpoints that are stored, those that are being deleted included."""


async def keep(engines: Engines, docker: DockerEngine, known: Known) -> None:
    """Sweep now and every ten minutes; until cancelled."""
    while True:
        try:
            await sweep(engines, docker, known)
        except EngineError as error:
            log.info("leftovers are not looked for now: %s", error)
        except Exception:
            # A busy database or a file that cannot be read is no reason never to look again.
            log.exception("leftovers are not looked for now")
        await asyncio.sleep(EVERY)


async def sweep(engines: Engines, docker: DockerEngine, known: Known) -> None:
    """Look once.

    Raises:
        EngineError: an engine could not be asked or did not obey; what could be done is done.
    """
    seen = await engines.observe()
    # Asked for afterwards: what was seen belongs to an endpoint that had been stored before, if to any.
    stored = await known()
    for replica in seen:
        if _orphaned(replica, stored):
            log.warning("replica %s belongs to endpoint %s, which does not exist; ending it", *_named(replica))
            await engines.stop(replica.id, _GRACE)
    if await docker.in_use():
        for name in await docker.sweep(stored):
            log.warning("removed %s, which belonged to no container", name)


def _orphaned(replica: ObservedReplica, stored: frozenset[str]) -> bool:
    return replica.state not in _UNDERWAY and replica.endpoint not in stored and _could_be_one(replica.endpoint)


def _could_be_one(endpoint: str) -> bool:
    """Replicas under a name that no endpoint can have are somebody else's of ours, as those of checks."""
    try:
        names.check_endpoint(endpoint)
    except ModelServeError:
        return False
    return True


def _named(replica: ObservedReplica) -> tuple[str, str]:
    return replica.id, replica.endpoint
