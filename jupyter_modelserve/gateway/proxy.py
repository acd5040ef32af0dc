"""Everything that is not scoring: streamed to the controller or to MLflow, both ways, with flat memory.

Each request has a connection of its own (0.1 ms on a unix socket): a kept one could be closed by the other side in the
moment it is used, and a write must not be sent twice. While the other side wakes up, the request is held and its body
stays with the caller.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from jupyter_modelserve.errors import BadGateway, DeadlineExceeded, Unavailable
from jupyter_modelserve.gateway.request import Headers, Request, header_value
from jupyter_modelserve.gateway.scoring import AnswerBroken
from jupyter_modelserve.gateway.upstream import ConnectFailed, Connection, ConnectionLost, connect
from jupyter_modelserve.types import TokenGrant

IDLE_SECONDS: Final = 120.0
"""No byte moves in either direction of a body for this long: the request is given up."""
ANSWER_SECONDS: Final = 600.0
ON_BEHALF_OF: Final = b"x-modelserve-on-behalf-of"
"""Whom the local user's token speaks for, percent-encoded; from any other token it is dropped."""
_PERSON: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,2046}[\x21-\x7e])?")
_PAUSE: Final = 0.05
_HOP: Final = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te",
        b"trailer", b"transfer-encoding", b"upgrade", b"http2-settings",
    }
)  # fmt: skip
_NOT_SENT: Final = _HOP | {
    b"authorization", b"cookie", b"host", b"origin", b"referer", b"expect", b"forwarded", b"content-length",
    b"x-request-id",
}  # fmt: skip
_NOT_PASSED: Final = _HOP | {b"set-cookie", b"date", b"server", b"x-request-id", b"x-modelserve-principal"}


class Proxy:
    """Forwards requests to the processes behind the gateway.

    Args:
        hold: seconds a request waits for a socket that does not answer yet.
        host: what the other side sees as ``Host``.
    """

    def __init__(self, hold: float, host: str) -> None:
        self._hold = hold
        self._host = host.encode("ascii")

    async def handle(self, request: Request, socket: str, who: str, grant: TokenGrant) -> None:
        """Forward one request to the unix *socket* of *who*.

        A read whose answer had not begun when *who* died is asked again; anything else must not be sent twice.

        Raises:
            Unavailable: nobody listened within the hold time.
            BadGateway: it hung up before it answered.
            DeadlineExceeded: it did not answer, or the caller's body stopped.
            AnswerBroken: it hung up in the middle of its answer.
        """
        repeatable = request.method in {"GET", "HEAD"} and not request.has_body
        for last in (not repeatable, True):
            try:
                await self._forward(request, socket, who, grant)
            except BadGateway:
                if last:
                    raise
            else:
                return

    async def _forward(self, request: Request, socket: str, who: str, grant: TokenGrant) -> None:
        connection = await self._connect(socket, who)
        pump: asyncio.Task[None] | None = None
        try:
            connection.send([self._head(request, grant)], head_only=request.method == "HEAD")
            if request.has_body:
                pump = asyncio.create_task(_pump(request, connection))
            await _answered(connection, pump)
            await _relay(request, connection)
        except ConnectionLost as lost:
            if request.started:
                raise AnswerBroken from lost
            raise BadGateway(f"the {who} hung up before it answered; try again", retry_after_s=1) from lost
        except TimeoutError as error:
            if request.started:
                raise AnswerBroken from error
            raise DeadlineExceeded(f"the {who} did not answer in time, or the body stopped arriving") from error
        finally:
            connection.close()
            if pump is not None:
                await _end(pump)

    async def _connect(self, socket: str, who: str) -> Connection:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._hold
        while True:
            try:
                return await connect(f"unix:{socket}")
            except ConnectFailed as failed:
                if loop.time() + _PAUSE > give_up_at:
                    raise Unavailable(
                        f"the {who} has not answered for {self._hold:g} seconds; see: jupyter modelserve status",
                        retry_after_s=5,
                    ) from failed
            await asyncio.sleep(_PAUSE)

    def _head(self, request: Request, grant: TokenGrant) -> bytes:
        target = request.raw_path + (b"?" + request.query if request.query else b"")
        first = b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)
        lines = [first, b"host: " + self._host, b"connection: close"]
        named = _named_by_connection(request.fields)
        for name, value in request.headers:
            if b"_" in name:
                continue  # WSGI makes `_` and `-` one: x_modelserve_principal would be taken for ours
            if name not in _NOT_SENT and name not in named and not name.startswith((b"x-modelserve-", b"x-forwarded-")):
                lines.append(name + b": " + value)
        lines.append(b"x-request-id: " + request.id.encode("ascii"))
        lines.append(b"x-modelserve-principal: " + header_value(grant.principal))
        lines.append(b"x-modelserve-scopes: " + ",".join(grant.scopes).encode("ascii"))
        lines.append(b"x-modelserve-token: " + header_value(grant.id))
        person = request.fields.get(ON_BEHALF_OF, b"")
        if grant.delegates and _PERSON.fullmatch(person):
            lines.append(ON_BEHALF_OF + b": " + person)
        if request.content_length is not None:
            lines.append(b"content-length: %d" % request.content_length)
        elif request.has_body:
            lines.append(b"transfer-encoding: chunked")
        return b"\r\n".join(lines) + b"\r\n\r\n"


def _named_by_connection(fields: dict[bytes, bytes]) -> set[bytes]:
    return {each.strip().lower() for each in fields.get(b"connection", b"").split(b",")}


async def _pump(request: Request, connection: Connection) -> None:
    """Carry the caller's body over, as fast as both sides allow."""
    chunked = request.content_length is None
    while not request.body_done:
        async with asyncio.timeout(IDLE_SECONDS):
            data = await request.read()
        if chunked:
            data = (b"%x\r\n%b\r\n" % (len(data), data) if data else b"") + (b"0\r\n\r\n" if request.complete else b"")
        if data:
            async with asyncio.timeout(IDLE_SECONDS):
                await connection.write(data)


async def _answered(connection: Connection, pump: asyncio.Task[None] | None) -> None:
    """Wait for the head of the answer; it may come before the body has gone."""
    if pump is not None:
        head = asyncio.ensure_future(connection.head())
        try:
            await asyncio.wait({head, pump}, return_when=asyncio.FIRST_COMPLETED)
            if not head.done() and (failed := pump.exception()) is not None and not isinstance(failed, ConnectionLost):
                raise failed
        finally:
            if not head.done():
                head.cancel()
            await asyncio.wait({head})
        if not head.cancelled():
            head.result()
            return
    async with asyncio.timeout(ANSWER_SECONDS):
        await connection.head()


async def _relay(request: Request, connection: Connection) -> None:
    headers: Headers = [
        each for each in connection.headers if each[0] not in _NOT_PASSED and not each[0].startswith(b"access-control-")
    ]
    await request.start(connection.status, headers)
    while piece := await _next(connection):
        await request.write(piece, more=True)
    await request.write(b"")


async def _next(connection: Connection) -> bytes:
    async with asyncio.timeout(IDLE_SECONDS):
        return await connection.read()


async def _end(pump: asyncio.Task[None]) -> None:
    pump.cancel()
    await asyncio.wait({pump})
    if not pump.cancelled():
        pump.exception()
