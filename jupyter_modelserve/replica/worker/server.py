"""The worker's address: requests queue in order for the one thread that runs the model.

The event loop lives in a thread of its own and the model in the main thread, because libraries expect to be loaded and
called there (signal handlers, CUDA contexts, SQLite). So ``/ping`` answers while a prediction runs.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sys
import threading
import time
from typing import Optional, Tuple

from ..connection import Listener, Respond
from ..wire import Request, Response, error_response, json_response
from .config import Config
from .scorer import Scorer

EXIT_HUNG = 75
"""Exit code when a prediction outlived time-out and grace: it cannot be stopped in any other way."""

Job = Tuple[Request, Respond, str]


class Server:
    """Accepts requests in the loop's thread; :meth:`work` runs them in the caller's."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._jobs: queue.SimpleQueue[Optional[Job]] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._listener = Listener(config.key, config.body_limit, self._handle)
        self._socket: Optional[asyncio.AbstractServer] = None
        self._started: Optional[float] = None
        self._in_flight = 0
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
        before = os.umask(0o177)
        try:
            if os.path.exists(self._config.socket):
                os.unlink(self._config.socket)
            self._socket = await self._loop.create_unix_server(self._listener, self._config.socket, backlog=128)
        finally:
            os.umask(before)
        self._watch()

    def _watch(self) -> None:
        """End the process when a prediction runs for too long; looked at a few times per allowed span."""
        limit = self._config.timeout + self._config.kill_grace
        started = self._started
        if started is not None and time.monotonic() - started > limit:
            sys.stderr.write("a prediction ran longer than %g seconds; the worker is restarted\n" % limit)
            sys.stderr.flush()
            os._exit(EXIT_HUNG)
        self._loop.call_later(min(1.0, max(limit / 4, 0.05)), self._watch)

    def _handle(self, request: Request, respond: Respond) -> None:
        request_id = request.headers.get("x-request-id", "")
        if request.path == "/ping":
            if request.method not in ("GET", "HEAD"):
                return respond(error_response(405, "METHOD_NOT_ALLOWED", "use GET", request_id))
            return respond(json_response(200, {"ready": self.ready, "in_flight": self._in_flight}))
        if request.path != "/invocations":
            return respond(
                error_response(404, "RESOURCE_DOES_NOT_EXIST", "this address is not served here", request_id)
            )
        if request.method != "POST":
            return respond(error_response(405, "METHOD_NOT_ALLOWED", "use POST to score", request_id))
        if not self.ready:
            message = "the version is still loading; try again"
            headers = {"retry-after": "1", "x-modelserve-not-started": "1"}
            return respond(error_response(503, "TEMPORARILY_UNAVAILABLE", message, request_id, headers=headers))
        self._in_flight += 1
        self._jobs.put((request, respond, request_id))
        return None

    def work(self, scorer: Scorer) -> None:
        """Answer requests in order until :meth:`drain` has emptied the queue."""
        while True:
            job = self._jobs.get()
            if job is None:
                return
            request, respond, request_id = job
            response = None
            if not request.gone:
                self._started = time.monotonic()
                response = scorer.score(request.body, request.headers.get("content-type", ""), request_id)
                self._started = None
            self._loop.call_soon_threadsafe(self._finish, respond, response)

    def _finish(self, respond: Respond, response: Optional[Response]) -> None:
        self._in_flight -= 1
        if response is not None:
            respond(response)
        self._end_if_drained()

    def drain(self, grace: float) -> None:
        """From any thread: take no new connection, finish what is there for *grace* seconds, then end the process."""
        self._loop.call_soon_threadsafe(self._drain, grace)

    def _drain(self, grace: float) -> None:
        if self._socket is not None:
            self._socket.close()
        if os.path.exists(self._config.socket):
            os.unlink(self._config.socket)
        self._loop.call_later(grace, end_process, 0)
        self._listener.drain()
        self._end_if_drained()

    def _end_if_drained(self) -> None:
        if self._listener.closing and self._in_flight == 0:
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
