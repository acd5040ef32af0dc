"""The worker's address: requests queue in order for the one model.

The event loop lives in a thread of its own and the model in the main thread, because libraries expect to be loaded and
called there (signal handlers, CUDA contexts, SQLite). So ``/ping`` answers while a prediction runs.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import sys
import threading
from typing import Any, Dict, Optional

from ..connection import Listener, Respond
from ..wire import Request, Response, error_response, json_response
from . import watchdog
from .batching import Clock, Job, Runner
from .config import Config
from .paths import Paths
from .scheduler import Scheduler
from .scorer import Scorer

_ROUNDS = 4


class Server:
    """Accepts requests in the loop's thread; :meth:`work` runs them in the caller's."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._listener = Listener(config.key, config.body_limit, self._handle)
        self._socket: Optional[asyncio.base_events.Server] = None
        self._clock = Clock()
        self._scheduler = Scheduler(self._loop, self._finish)
        self._in_flight = 0
        self._settled = False
        self._last = self._loop.time()
        self.ready = False

    def start(self) -> None:
        """Listen, in a thread of its own; returns when the socket exists."""
        listening = threading.Event()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(self._listen())
            listening.set()
            self._loop.run_forever()

        threading.Thread(target=run, name="server", daemon=True).start()
        listening.wait()

    async def _listen(self) -> None:
        given = self._config.listen_fd
        if given is not None:
            # The parent goes on to listen on it when this process ends, so its path must stay.
            options: Dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
            handed = socket.socket(fileno=given)
            self._socket = await self._loop.create_unix_server(self._listener, sock=handed, backlog=128, **options)
            self._last = self._loop.time()
            self._end_when_idle(self._config.idle)
            return
        before = os.umask(0o177)
        try:
            if os.path.exists(self._config.socket):
                os.unlink(self._config.socket)
            self._socket = await self._loop.create_unix_server(self._listener, self._config.socket, backlog=128)
        finally:
            os.umask(before)

    def serve(self, scorer: Scorer, paths: Paths) -> None:
        """From the main thread, before :attr:`ready`: score along these paths."""
        config = self._config
        self._scheduler.use(Runner(scorer, paths, config.batch_rows, self._clock, config.hider))
        # What the model consists of stays for the life of the process: the collector need not look at it ever again.
        gc.freeze()
        watchdog.watch(self._clock, config.timeout, config.kill_grace)

    def work(self) -> None:
        """Run what has to run in the caller's thread, for ever."""
        self._scheduler.work()

    def _handle(self, request: Request, respond: Respond) -> None:
        if request.path == "/invocations" and request.method == "POST" and self.ready:
            self._in_flight += 1
            self._last = self._loop.time()
            self._scheduler.submit(Job(request, respond))
            return
        respond(self._other(request))

    def _other(self, request: Request) -> Response:
        """Everything but a request that is scored."""
        request_id = request.headers.get("x-request-id", "")
        if request.path == "/ping":
            if request.method not in ("GET", "HEAD"):
                return error_response(405, "METHOD_NOT_ALLOWED", "use GET", request_id)
            return json_response(200, {"ready": self.ready, "in_flight": self._in_flight})
        if request.path != "/invocations":
            return error_response(404, "RESOURCE_DOES_NOT_EXIST", "this address is not served here", request_id)
        if request.method != "POST":
            return error_response(405, "METHOD_NOT_ALLOWED", "use POST to score", request_id)
        message = "the version is still loading; try again"
        headers = {"retry-after": "1", "x-modelserve-not-started": "1"}
        return error_response(503, "TEMPORARILY_UNAVAILABLE", message, request_id, headers=headers)

    def _finish(self, job: Job, response: Optional[Response]) -> None:
        self._in_flight -= 1
        if response is not None:
            job.respond(response)
        if self._listener.closing:
            self._end_if_drained()

    def _end_when_idle(self, seconds: Optional[float]) -> None:
        """A lane that was started on demand ends when nobody needs it; its parent listens again."""
        if seconds is None or self._listener.closing:
            return
        left = seconds - (self._loop.time() - self._last)
        if left <= 0 and self._in_flight == 0:
            self._drain(self._config.timeout)
        else:
            self._loop.call_later(max(left, 0.05), self._end_when_idle, seconds)

    def drain(self, grace: float) -> None:
        """From any thread: take no new connection, finish what is there for *grace* seconds, then end the process."""
        self._loop.call_soon_threadsafe(self._drain, grace)

    def _drain(self, grace: float) -> None:
        if self._socket is not None:
            for each in self._socket.sockets:
                self._loop.remove_reader(each.fileno())
        if self._config.listen_fd is None and os.path.exists(self._config.socket):
            os.unlink(self._config.socket)
        self._loop.call_later(grace, end_process, 0)
        self._listener.drain()
        self._settle(_ROUNDS)

    def _settle(self, rounds: int) -> None:
        """Go on when whoever was accepted in the last moment is a connection: asyncio takes some rounds of the loop,
        and refuses what it has accepted as soon as the server is closed.
        """
        if rounds:
            self._loop.call_soon(self._settle, rounds - 1)
            return
        if self._socket is not None:
            self._socket.close()
        self._settled = True
        self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._settled and self._in_flight == 0:
            # The transports still have to write what they were given.
            self._loop.call_later(0.05 if self._listener.connections else 0, self._end_when_closed)

    def _end_when_closed(self) -> None:
        if self._in_flight == 0 and not self._listener.connections:
            end_process(0)
        self._loop.call_later(0.05, self._end_when_closed)


def end_process(code: int) -> None:
    """Leave without running exit handlers: threads that a model started must not keep the process alive."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
