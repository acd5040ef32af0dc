"""How the controller speaks to a replica's parent: the operations of docs/reference/internal-protocol.md, typed.

Control plane only: a few small requests per second at most, so httpx is fine here and never on the scoring path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from jupyter_modelserve.controller.engines.base import EngineConflict, EngineRejected, EngineUnavailable
from jupyter_modelserve.controller.sockets import over_tcp, over_unix
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import Failure, Phase, Verdict, VersionState, from_json

DEADLINE = 5.0
"""Seconds that a parent may take to answer an operation; none of them waits for a model."""
_MISDIRECTED = 421


def worker_spec(
    settings: Settings, model: str, version: str, directory: str, *, timeout: float, unknown_columns: str
) -> dict[str, Any]:
    """What every version is started with (the protocol's WorkerSpec), checked or served: so one is as the other."""
    return {
        "model": model,
        "version": version,
        "directory": directory,
        "unknown_columns": unknown_columns,
        "timeout": timeout,
        "kill_grace": settings.kill_grace,
        "startup_budget": settings.startup_budget,
        "body_limit": settings.body_limit,
        "json_depth": settings.json_depth,
        "direct": settings.direct,
        "batching": {"on": True, "off": False}.get(settings.batching),
    }


class NotOurs(EngineUnavailable):
    """Something answers at the address, but it does not hold our key: another process's socket or port."""


class Silent(EngineUnavailable):
    """Nothing listens at the address (refused, or no socket there)."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a loaded version. ``lane`` is its number, or ``large``; 0 decides the version's state."""

    lane: int | str
    pid: int | None = None
    state: str = ""
    start_method: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A loaded (or loading) version inside a replica. ``since`` is seconds since 1970, ``address`` is ``unix:PATH``."""

    model: str
    version: str
    state: VersionState
    verdict: Verdict | None = None
    failure: Failure | None = None
    address: str = ""
    pid: int | None = None
    restarts: int = 0
    crashes: int = 0
    last_exit: str = ""
    in_flight: int = 0
    since: float = 0.0
    phases: tuple[Phase, ...] = ()
    signature: dict[str, Any] | None = None
    loader: str | None = None
    lanes: int = 1
    batches: bool = False
    path: dict[str, str] | None = None
    large: bool = False
    processes: tuple[Process, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """What ``GET /status`` answers. ``started_at`` is seconds since 1970."""

    replica_id: str
    nonce: str
    pid: int
    started_at: float = 0.0
    workers: dict[str, WorkerStatus] = field(default_factory=dict)
    revision: int = 0


class ReplicaClient:
    """One parent's control socket.

    Every call raises :class:`EngineUnavailable` when the parent does not answer in *deadline* seconds (its state is
    then unknown), :class:`EngineConflict` when it runs something else under the same name, and
    :class:`EngineRejected` when it refuses the request for good.
    """

    def __init__(self, address: str, key: str, *, deadline: float = DEADLINE) -> None:
        kind, _, where = address.partition(":")
        if kind == "unix":
            transport, base = over_unix(where), "http://replica"
        elif kind == "tcp":
            transport, base = over_tcp(), f"http://{where}"
        else:
            raise ValueError(f"address of a replica must begin with unix: or tcp:, not {kind!r}")
        self._deadline = deadline
        self._directory = where.rpartition("/")[0] if kind == "unix" else ""
        # trust_env would read proxies and .netrc, which have no say about a private socket.
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url=base,
            headers={"x-modelserve-key": key},
            timeout=deadline,
            trust_env=False,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._http.aclose()

    async def status(self, *, counts: bool = False) -> ReplicaStatus:
        """Identity of the parent and the state of its workers; with *counts* also how many requests each works on."""
        return self._read(await self._ask("GET", "/status", params={} if counts else {"in_flight": "no"}))

    async def changed(self, revision: int, wait: float) -> ReplicaStatus:
        """The status as soon as its revision differs from *revision*, at the latest after *wait* (≤ 60) seconds."""
        params = {"after": str(revision), "wait": f"{wait:g}", "in_flight": "no"}
        return self._read(await self._ask("GET", "/status", params=params, patience=wait))

    def _read(self, answer: httpx.Response) -> ReplicaStatus:
        try:
            return from_json(ReplicaStatus, self._beside(answer.json()))
        except (InvalidParameter, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineUnavailable(f"the replica's status cannot be read: {error}") from None

    def _beside(self, document: Any) -> Any:
        """The workers' sockets lie beside their parent's, whatever it calls the directory (a container's, say).

        So no replica can make anybody connect to a socket elsewhere.
        """
        if self._directory:
            for worker in document["workers"].values():
                worker["address"] = f"unix:{self._directory}/{str(worker['address']).rpartition('/')[2]}"
        return document

    async def put_worker(self, worker: str, spec: Mapping[str, Any]) -> None:
        """Start a version if it is not there; *spec* is the protocol's WorkerSpec."""
        await self._ask("PUT", f"/workers/{quote(worker, safe='')}", json=dict(spec))

    async def delete_worker(self, worker: str, grace: float) -> None:
        """Drain a version (at most *grace* seconds) and forget it; an unknown one is no error."""
        await self._ask("DELETE", f"/workers/{quote(worker, safe='')}", params={"grace": f"{grace:g}"})

    async def log(self, worker: str, tail: int, *, times: bool = False) -> str:
        """The last *tail* lines that a version printed; empty when there is no such worker.

        With *times* each line begins with when it was written (``2026-11-21T15:20:46.123456Z``) and a blank.
        """
        path = f"/workers/{quote(worker, safe='')}/log"
        params = {"tail": str(tail), **({"times": "yes"} if times else {})}
        answer = await self._ask("GET", path, params=params, absent=True)
        return "" if answer.status_code == httpx.codes.NOT_FOUND else answer.text

    async def stop(self, grace: float) -> None:
        """Ask the parent to drain everything (at most *grace* seconds) and end."""
        await self._ask("POST", "/stop", params={"grace": f"{grace:g}"})

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        absent: bool = False,
        patience: float = 0.0,
    ) -> httpx.Response:
        try:
            # httpx limits each step only; a peer that sends a byte now and then must not hold us.
            deadline = self._deadline + patience
            async with asyncio.timeout(deadline):
                answer = await self._http.request(method, path, params=params, json=json, timeout=deadline)
        except (TimeoutError, httpx.TimeoutException):
            raise EngineUnavailable(f"the replica did not answer {method} {path} in {self._deadline:g} s") from None
        except httpx.ConnectError:
            raise Silent("nothing listens at the replica's control address") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise EngineUnavailable(f"the replica's connection broke: {type(error).__name__}") from None
        if not (absent and answer.status_code == httpx.codes.NOT_FOUND):
            _check(answer)
        return answer


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    if answer.status_code == _MISDIRECTED:
        raise NotOurs("the process at the replica's address does not hold the replica's key")
    message = _message(answer)
    if answer.status_code == httpx.codes.CONFLICT:
        raise EngineConflict(message)
    if answer.is_client_error:
        raise EngineRejected(message)
    raise EngineUnavailable(message)


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"the replica answered HTTP {answer.status_code}"
