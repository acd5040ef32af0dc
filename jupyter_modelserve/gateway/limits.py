"""Reading scoring bodies: whole, but never more than allowed (REQ-014) and never more than the process can hold."""

from __future__ import annotations

from typing import Final

from jupyter_modelserve.errors import PayloadTooLarge, Unavailable
from jupyter_modelserve.gateway.request import Request

_BODIES: Final = 4


class BodyReader:
    """Reads bodies up to *limit* bytes each and ``4 * limit`` bytes (at least 64 MiB) at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.budget = max(64 * 1024 * 1024, _BODIES * limit)
        self.held = 0

    def check(self, request: Request) -> None:
        """Refuse by the announced length, before anything is read (and before ``100 Continue`` is sent).

        Raises:
            PayloadTooLarge: ``Content-Length`` exceeds the limit.
        """
        if request.content_length is not None and request.content_length > self.limit:
            raise self._too_large()

    def fits(self, size: int) -> bool:
        """Whether a body of *size* bytes may be held besides what is."""
        return size <= self.limit and self.held + size <= self.budget

    async def read(self, request: Request) -> list[bytes]:
        """The body in pieces, after :meth:`check`; :meth:`release` them when done.

        Raises:
            PayloadTooLarge: a chunked body passed the limit; nothing more was read.
            Unavailable: other bodies fill the memory set aside for them.
            BadRequest: the body is not well formed.
        """
        pieces: list[bytes] = []
        try:
            await self._fill(request, pieces)
        except BaseException:
            self.release(pieces)
            raise
        return pieces

    async def _fill(self, request: Request, pieces: list[bytes]) -> None:
        size = 0
        while not request.body_done:
            data = await request.read()
            size += len(data)
            self.held += len(data)
            pieces.append(data)
            if size > self.limit:
                raise self._too_large()
            if self.held > self.budget:
                raise Unavailable("too many large requests at the same time; try again", retry_after_s=1)

    def release(self, pieces: list[bytes]) -> None:
        """Give back the memory of a body."""
        self.held -= sum(map(len, pieces))
        pieces.clear()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body is larger than {self.limit} bytes; send fewer rows per request", details={"limit": self.limit}
        )
