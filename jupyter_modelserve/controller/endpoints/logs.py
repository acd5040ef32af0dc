"""One log out of many: what every version in every replica printed, merged by time (REQ-046, REQ-197).

Each replica's parent notes when it got a line, to the microsecond and never twice the same within a log. So a place in
the merged log is a time per worker; that is what the cursor of a follower consists of.
"""

from __future__ import annotations

import asyncio
import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from jupyter_modelserve.controller.endpoints.observation import Observer
from jupyter_modelserve.controller.endpoints.view import Worker
from jupyter_modelserve.controller.engines.base import EngineUnavailable
from jupyter_modelserve.errors import InvalidParameter, NotFound, Unavailable
from jupyter_modelserve.types import LogLine

_STAMP: Final = len("2026-11-21T15:20:46.123456Z")
_FORM: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z( |$)")
_AHEAD: Final = timedelta(minutes=5)
"""How far the clock of a replica's machine may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class LogWish:
    """Which lines: of a model, version, replica (each empty for all), at most *tail*, behind the cursor *after*."""

    model: str = ""
    version: str = ""
    replica: str = ""
    tail: int = 200
    after: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """Lines with a cursor behind the last of them. ``many``: of more than one worker, so each says whose it is."""

    lines: tuple[LogLine, ...]
    cursor: str
    many: bool

    @property
    def text(self) -> str:
        """The lines as they were printed, each with replica and version in front where there are several."""
        return "".join(f"{_whose(each) if self.many else ''}{each.text}\n" for each in self.lines)


async def read(endpoint: str, observer: Observer, wish: LogWish) -> Log:
    """The merged log of an endpoint; a replica that is silent now is left out while another one answers.

    Raises:
        NotFound: no such version or replica runs here. Unavailable: none of the replicas answers.
        InvalidParameter: a cursor that is none of ours.
    """
    seen = _read_cursor(wish.after)
    workers = [each for each in (await observer.look()).workers.values() if _wanted(each, wish)]
    if not workers and (wish.version or wish.replica):
        what = f"version {wish.version}" if wish.version else f"replica {wish.replica}"
        raise NotFound(f"endpoint {endpoint!r} runs no {what}", details={"version": wish.version})
    answers = await asyncio.gather(*(_ask(observer, each, wish.tail) for each in workers))
    silent = [each for each in answers if isinstance(each, EngineUnavailable)]
    if silent and len(silent) == len(answers):
        raise Unavailable(str(silent[0]), retry_after_s=1)
    found = [(worker, text) for worker, text in zip(workers, answers, strict=True) if isinstance(text, str)]
    return merge(found, seen, wish.tail)


def merge(found: Iterable[tuple[Worker, str]], seen: dict[str, str], tail: int) -> Log:
    """Put the logs of workers together: *seen* is how far each was read before, *tail* how many lines are kept."""
    cursor, logs = dict(seen), []
    for worker, text in found:
        lines = [each for each in _stamped(text) if worker.id not in seen or each[0] > seen[worker.id]]
        if lines and lines[-1][0]:
            cursor[worker.id] = lines[-1][0]
        logs.append([(stamp, _line(stamp, worker, printed)) for stamp, printed in lines])
    merged = list(heapq.merge(*logs, key=lambda each: each[0]))
    kept = tuple(line for _, line in islice(merged, max(0, len(merged) - tail), None))
    return Log(kept, ",".join(f"{name}={stamp}" for name, stamp in sorted(cursor.items())), len(logs) > 1)


def _wanted(worker: Worker, wish: LogWish) -> bool:
    return (
        wish.model in {"", worker.model}
        and wish.version in {"", worker.version}
        and worker.replica.startswith(wish.replica)
    )


async def _ask(observer: Observer, worker: Worker, tail: int) -> str | EngineUnavailable:
    try:
        return await observer.client(worker.replica).log(worker.name, tail, times=True)
    except EngineUnavailable as error:
        return error


def _stamped(text: str) -> Iterable[tuple[str, str]]:
    """Lines with their times. One without (of a parent that is older than this) has the time of the one before.

    Only a line feed ends a line, as for the parent: whatever else may (a model prints what its callers send) has no
    time in front of what follows.
    """
    last, latest = "", datetime.now(UTC) + _AHEAD
    lines = text.split("\n")
    for line in lines if lines[-1] else lines[:-1]:
        if _is_time(line, latest):
            last, line = line[:_STAMP], line[_STAMP + 1 :]
        yield last, line


def _is_time(line: str, latest: datetime) -> bool:
    """Whether *line* begins with a time that a parent can have noted: one to come would blind who follows."""
    try:
        return _FORM.match(line) is not None and datetime.fromisoformat(line[:_STAMP]) <= latest
    except ValueError:
        return False


def _line(stamp: str, worker: Worker, text: str) -> LogLine:
    at = int(datetime.fromisoformat(stamp).timestamp() * 1000) if stamp else 0
    return LogLine(at, worker.replica, worker.model, worker.version, text)


def _whose(line: LogLine) -> str:
    return f"{line.replica[:8]} {line.model}/{line.version}  "


def _read_cursor(text: str) -> dict[str, str]:
    found = dict(each.partition("=")[::2] for each in text.split(",") if each)
    if not all(len(stamp) == _STAMP for stamp in found.values()):
        raise InvalidParameter("after: must be `next` of an earlier answer", details={"field": "after"})
    return found
