"""The reverse proxy: the instance's own API and its scoring addresses under the Jupyter server's address.

So nothing needs a second port: behind a hub, a prefix or an SSH tunnel, whoever reaches Jupyter reaches the models,
with Jupyter's own sign-in. Bodies are streamed both ways. The instance's token is added here and never leaves this
process.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import ensure_async
from tornado import iostream, web

from jupyter_modelserve.addresses import API
from jupyter_modelserve.errors import PayloadTooLarge
from jupyter_modelserve.lab import headers
from jupyter_modelserve.lab.body import Body
from jupyter_modelserve.lab.handlers import AUTH_RESOURCE, ROOT, ModelServeHandler
from jupyter_modelserve.lab.person import person
from jupyter_modelserve.lab.upstream import Outgoing, Upstream

if TYPE_CHECKING:
    import httpx

SWALLOWED: Final = 512 * 1024 * 1024
"""Largest body that is read to its end, so that the gateway's own refusal (413 above its limit) can be read."""
_FORBIDDEN: Final = 403
_SHORT: Final = "/api/v1/"


@web.stream_request_body
class ProxyHandler(ModelServeHandler):
    """Carries one request to the gateway and its answer back; the verbs and their rights are in the subclasses."""

    body_action: ClassVar[str]
    """Right that a request with a body needs; asked before the first byte of it is taken."""

    _request: Outgoing
    _refusal: web.HTTPError | None = None
    _body: Body | None = None
    _answer: asyncio.Task[httpx.Response] | None = None
    _relaying: asyncio.Task[None] | None = None

    @property
    def upstream(self) -> Upstream:
        """The way to the gateway."""
        found: Upstream = self.settings["modelserve_upstream"]
        return found

    async def prepare(self) -> None:  # type: ignore[override]  # as Jupyter Server's own APIHandler
        """Let the caller in, then begin to send: Jupyter Server runs a verb only after the whole body has come."""
        has_body = "Transfer-Encoding" in self.request.headers or self.request.headers.get("Content-Length", "0") != "0"
        try:
            await super().prepare()
            if has_body:
                await self._admit()
        except web.HTTPError as refusal:
            if not has_body:
                raise
            # Refused now, the connection would be reset by the body that still comes, and nobody would read why.
            self._refusal = refusal
            return
        if has_body:
            self._accept_any_length()
            self._body = Body()
            self._watch_connection()
        self._begin()

    async def _admit(self) -> None:
        user = self.current_user
        if not user or not await ensure_async(
            self.authorizer.is_authorized(self, user, self.body_action, AUTH_RESOURCE)
        ):
            raise web.HTTPError(_FORBIDDEN, f"User is not authorized to {self.body_action} on {AUTH_RESOURCE}")

    def _accept_any_length(self) -> None:
        """Lift the server's own limit, which answers with an empty 400; the gateway knows the limit that counts."""
        length = self.request.headers.get("Content-Length", "")
        if length.isdigit() and int(length) > SWALLOWED:
            raise PayloadTooLarge(f"the body is larger than {SWALLOWED // 1024 // 1024} MiB")
        connection: Any = self.request.connection
        connection.set_max_body_size(SWALLOWED)

    def _watch_connection(self) -> None:
        """Hear of a caller that leaves while sending; from the end of the body on, ``on_connection_close`` does."""
        connection: Any = self.request.connection
        connection.stream.set_close_callback(self._stop)

    def _begin(self) -> None:
        if not self.current_user:
            return  # the verb refuses
        body = self._body
        request = Outgoing(
            self.request.method or "",
            self._target(),
            list(self.request.headers.get_all()),
            body.pieces if body is not None else None,
            person(self.current_user),
        )
        if body is not None:
            self._answer = asyncio.create_task(self.upstream.send(request))
            self._answer.add_done_callback(lambda _: body.ignore())
            self._answer.add_done_callback(_heed)
        self._request = request

    def _target(self) -> str:
        path = self.request.path[len(self.base_url) + len(ROOT) :]
        if path.startswith(_SHORT):
            path = API + path.removeprefix(_SHORT.rstrip("/"))
        query = headers.query(self.request.query)
        return path + ("?" + query if query else "")

    async def data_received(self, chunk: bytes) -> None:
        """Hand a piece of the body on; the caller is slowed down to what the gateway takes."""
        if self._body is not None:
            await self._body.put(chunk)

    async def forward(self) -> None:
        """Answer with what the gateway answers. Called by each verb, below its guards."""
        if self._refusal is not None:
            raise self._refusal
        if self._body is not None:
            await self._body.put(None)
        if self._answer is None:
            self._answer = asyncio.create_task(self.upstream.send(self._request))
        self._relaying = asyncio.create_task(self._relay(self._answer))
        await asyncio.wait({self._relaying})
        if not self._relaying.cancelled():
            self._relaying.result()

    async def _relay(self, answer: asyncio.Task[httpx.Response]) -> None:
        response = await answer
        try:
            self._head(response)
            await self._copy(response)
        except Exception as error:
            if not isinstance(error, (iostream.StreamClosedError, *_broken())):
                raise
            # An answer that cannot be completed must not look complete.
            connection: Any = self.request.connection
            connection.close()
        finally:
            await response.aclose()

    def _head(self, response: httpx.Response) -> None:
        self.set_status(response.status_code, response.reason_phrase or None)
        passed = headers.incoming(response.headers.multi_items())
        for name in {"server", "content-type", *(name for name, _ in passed)}:
            self.clear_header(name)
        for name, value in passed:
            self.add_header(name, value)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        connection: Any = self.request.connection
        connection.stream.set_nodelay(True)

    async def _copy(self, response: httpx.Response) -> None:
        if "content-length" not in response.headers:
            await self.flush()  # a stream: the caller shall know at once that it is open
        async for piece in response.aiter_raw():
            self.write(piece)
            await self.flush()
        await self.flush()
        self.finish(set_content_type=response.headers.get("content-type", ""))

    def on_connection_close(self) -> None:
        """The caller left: let the gateway know at once."""
        super().on_connection_close()
        self._stop()

    def _stop(self) -> None:
        if self._relaying is not None:
            self._relaying.cancel()  # closes the answer
        elif self._answer is not None and not self._answer.cancel():
            self._answer.add_done_callback(_drop)

    def on_finish(self) -> None:
        """Leave nothing running behind a request that was refused on the way."""
        super().on_finish()
        if self._relaying is None:
            self._stop()


def _heed(answer: asyncio.Task[httpx.Response]) -> None:
    """Take note of a failure even when the caller has left and nobody is told."""
    if not answer.cancelled():
        answer.exception()


def _drop(answer: asyncio.Task[httpx.Response]) -> None:
    if not answer.cancelled() and answer.exception() is None:
        _closing.add(closing := asyncio.ensure_future(answer.result().aclose()))
        closing.add_done_callback(_closing.discard)


_closing: set[asyncio.Future[None]] = set()
"""The event loop keeps weak references only."""


def _broken() -> tuple[type[Exception], ...]:
    import httpx

    return (httpx.HTTPError, httpx.StreamError)


class ApiHandler(ProxyHandler):
    """``api/v1/…``: the instance's own REST API, also in its own form ``api/modelserve/v1/…``.

    So a client that is given ``{base_url}jupyter-modelserve`` as the address of an instance just works.
    """

    _track_activity = False
    """An open panel asks all day long; that alone shall not keep a server from being culled."""

    body_action = "write"

    async def forward(self) -> None:
        """Note that somebody looks, so that changes are followed; then as every proxied request."""
        self.service.touch()
        await super().forward()

    @web.authenticated
    @authorized(action="read", resource=AUTH_RESOURCE)
    async def get(self, rest: str) -> None:
        """Read; ``Accept: text/event-stream`` keeps the answer open."""
        await self.forward()

    @web.authenticated
    @authorized(action="read", resource=AUTH_RESOURCE)
    async def head(self, rest: str) -> None:
        """Read the headers alone."""
        await self.forward()

    @web.authenticated
    @authorized(action="write", resource=AUTH_RESOURCE)
    async def post(self, rest: str) -> None:
        """Make something, for example a token."""
        await self.forward()

    @web.authenticated
    @authorized(action="write", resource=AUTH_RESOURCE)
    async def put(self, rest: str) -> None:
        """Create or change an endpoint."""
        await self.forward()

    @web.authenticated
    @authorized(action="write", resource=AUTH_RESOURCE)
    async def patch(self, rest: str) -> None:
        """Change a part."""
        await self.forward()

    @web.authenticated
    @authorized(action="write", resource=AUTH_RESOURCE)
    async def delete(self, rest: str) -> None:
        """Stop an endpoint, end a token."""
        await self.forward()


class ScoringHandler(ProxyHandler):
    """``model/…``, ``model-endpoint/…`` and ``serving-endpoints/…``: scoring."""

    body_action = "execute"

    @web.authenticated
    @authorized(action="execute", resource=AUTH_RESOURCE)
    async def post(self, rest: str) -> None:
        """Score."""
        await self.forward()


PROXY_ROUTES: list[tuple[str, type[ModelServeHandler]]] = [
    (rf"/{ROOT}/api/v1/(.+)", ApiHandler),
    (rf"/{ROOT}{API}/(.+)", ApiHandler),
    (rf"/{ROOT}/((?:api/[23]\.0/mlflow|api/2\.0/mlflow-artifacts)/.+)", ApiHandler),
    (rf"/{ROOT}/(metrics)", ApiHandler),
    (rf"/{ROOT}/((?:model|model-endpoint|serving-endpoints)/.+)", ScoringHandler),
]
"""All proxied addresses; the base URL of the server goes in front."""
