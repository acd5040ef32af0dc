"""The docker SDK made safe to call from the event loop: in threads of its own, with a deadline, with our three errors.

One hung call must not hold the others up, and none of them may use the event loop's own threads. The SDK is imported by
the first call, because it costs 0.3 s and most instances never need it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from jupyter_modelserve.controller.engines.base import EngineConflict, EngineError, EngineRejected, EngineUnavailable

T = TypeVar("T")

DEADLINE = 30.0
"""Seconds for a call that only asks or changes one thing."""
_SOCKET = "unix:///var/run/docker.sock"
_THREADS = 16
_GROUP = "you may not use the Docker engine; add yourself to its group (docker) and log in again"


class Missing(EngineConflict):
    """The container, image or volume does not exist (any more)."""


class DockerClient:
    """Calls of one engine's API.

    Args:
        host: address such as ``unix:///run/docker.sock``; empty for ``DOCKER_HOST``, else the usual socket.
        patience: seconds of silence after which the engine counts as away; builds and pushes need long ones.
    """

    def __init__(self, host: str = "", *, patience: float = 60.0) -> None:
        self.host = host or os.environ.get("DOCKER_HOST", "") or _SOCKET
        self._patience = patience
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="docker")
        self._api: Any = None
        self._lock = threading.Lock()

    async def call(self, operation: Callable[[Any], T], *, deadline: float | None = DEADLINE) -> T:
        """Run *operation* with the SDK's low-level client in a thread; ``None``: no deadline.

        Raises:
            EngineUnavailable: no answer in time, or none that makes sense: nothing is known now.
            EngineConflict: somebody changed the same thing; :class:`Missing`: it does not exist.
            EngineRejected: the engine refuses for good.
        """
        try:
            async with asyncio.timeout(deadline):
                return await asyncio.get_running_loop().run_in_executor(self._threads, self.blocking, operation)
        except TimeoutError:
            raise EngineUnavailable(f"the Docker engine did not answer in {deadline:g} s") from None

    def blocking(self, operation: Callable[[Any], T]) -> T:
        """The same in the calling thread, without a deadline of its own."""
        _knock(self.host)
        return _translated(lambda: operation(_Api(self._connected())))

    def _connected(self) -> Any:
        with self._lock:
            if self._api is None:
                import docker

                self._api = _translated(
                    lambda: docker.APIClient(base_url=self.host, version="auto", timeout=self._patience)
                )
            return self._api

    def close(self) -> None:
        """Let go of connections and threads; a thread that still waits for the engine is left behind."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            if self._api is not None:
                self._api.close()
                self._api = None


def _knock(host: str) -> None:
    """See whether anybody listens: microseconds, while the SDK costs 0.3 s and leaves a refused socket open."""
    if host.startswith("unix://"):
        with closing(socket.socket(socket.AF_UNIX)) as probe:
            try:
                probe.settimeout(2.0)
                probe.connect(host.removeprefix("unix://"))
            except OSError as error:
                raise translate(error) from None


class _Api:
    """The SDK's client with every call's exceptions translated, so that an operation may handle ours."""

    def __init__(self, api: Any) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._api, name)

        def call(*arguments: Any, **options: Any) -> Any:
            return _translated(lambda: function(*arguments, **options))

        return call


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except EngineError:
        raise
    except Exception as error:  # noqa: BLE001 - the SDK lets those of three libraries through
        raise translate(error) from None


def translate(error: Exception) -> EngineError:
    """The SDK's exception as one of our three (four with :class:`Missing`)."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    explanation = str(getattr(error, "explanation", None) or error).strip()
    if not isinstance(status, int):
        return EngineUnavailable(_why_away(error))
    match status:
        case 404:
            return Missing(explanation)
        case 409:
            return EngineConflict(explanation)
        case _ if 400 <= status < 500:
            return EngineRejected(f"the Docker engine refuses: {explanation}")
    if "no space left on device" in explanation.lower():
        return EngineUnavailable("the Docker engine's disk is full; `docker system df` shows by what")
    return EngineUnavailable(f"the Docker engine failed: {explanation}")


def _why_away(error: BaseException) -> str:
    """The reason at the bottom of the SDK's nested exceptions, as a sentence."""
    reason: BaseException | None = error
    seen: list[BaseException] = []
    while reason is not None and reason not in seen:
        seen.append(reason)
        if isinstance(reason, PermissionError):
            return _GROUP
        if isinstance(reason, FileNotFoundError | ConnectionRefusedError):
            return "no Docker engine answers; is it installed and started?"
        inner = next((each for each in reason.args if isinstance(each, BaseException)), None)
        reason = inner or reason.__cause__ or reason.__context__
    text = str(error)
    if "Permission denied" in text:
        return _GROUP
    if "No such file" in text or "Connection refused" in text:
        return "no Docker engine answers; is it installed and started?"
    return f"the Docker engine does not answer ({type(seen[-1]).__name__})"
