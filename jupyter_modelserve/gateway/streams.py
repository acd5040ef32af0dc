"""Long answers end with the token that asked for them.

A token is looked at when a request begins. A stream of events or a download may go on for hours after that, so every
forwarded request is kept here with its token and cut when the token is revoked or expires.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from jupyter_modelserve.gateway.request import Request
from jupyter_modelserve.types import Snapshot, TokenGrant

_LOOK: Final = 1.0
_logger = logging.getLogger(__name__)


class Streams:
    """Forwarded requests that are not answered yet.

    Args:
        snapshot: the one in force, with the tokens that are known.
    """

    def __init__(self, snapshot: Callable[[], Snapshot | None]) -> None:
        self._snapshot = snapshot
        self._open: dict[Request, TokenGrant] = {}

    @contextmanager
    def held(self, request: Request, grant: TokenGrant) -> Iterator[None]:
        """The block in which *request* is forwarded."""
        self._open[request] = grant
        try:
            yield
        finally:
            del self._open[request]

    def look(self) -> None:
        """Cut what goes on with a token that is no longer valid; called for every new snapshot."""
        snapshot = self._snapshot()
        if snapshot is None or not self._open:
            return
        known = {each.id for each in snapshot.tokens.values()}
        now = time.time() * 1000
        for request, grant in list(self._open.items()):
            if (grant.id not in known or 0 < grant.expires_at <= now) and _goes_on(request):
                _logger.info("request %s was cut: its token was revoked or has expired", request.id)
                request.link.abort()

    async def run(self) -> None:
        """Look for tokens that expired, once a second."""
        while True:
            await asyncio.sleep(_LOOK)
            self.look()


def _goes_on(request: Request) -> bool:
    """Whether bytes still flow. Who revokes the token that they use is waiting for the answer, and gets it."""
    return request.started or (request.has_body and not request.body_done)
