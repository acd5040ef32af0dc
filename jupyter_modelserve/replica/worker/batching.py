"""Requests that wait together are predicted together, where rows are independent; each answer is as if it were alone.

Every request is read and checked by itself first. What fits together (the same columns, dtypes and params) is joined,
predicted once and split. When anything about that fails, each request of the batch is scored alone from the start, so
that a bad row spoils only its own request.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from typing import Any, Callable, Dict, Hashable, List, Optional, Sequence, Tuple, Union

from ..hiding import Hider
from ..wire import Request, Response
from .compiled import Block
from .direct.base import Outside
from .encode import dump, plain
from .inputs import Prepared
from .libraries import numpy, pandas
from .paths import Paths
from .scorer import Reading, Scorer

_DIRECT_QUICK = 0.001
"""Seconds: a direct prediction that takes less may run in the event loop's thread."""


class Job:
    """A request in work; ``alone`` says that it must not be predicted together with others (a replay)."""

    __slots__ = ("alone", "content_type", "request", "request_id", "respond")

    def __init__(self, request: Request, respond: Callable[[Response], None]) -> None:
        self.request = request
        self.respond = respond
        self.request_id = request.headers.get("x-request-id", "")
        self.content_type = request.headers.get("content-type", "")
        self.alone = request.headers.get("x-modelserve-alone") == "1"


Answers = Sequence[Tuple[Job, Optional[Response]]]
Deliver = Callable[[Answers], None]


class Clock:
    """When the running prediction began and for how many requests it runs; the watchdog reads it from its thread."""

    def __init__(self) -> None:
        self.running: Optional[Tuple[float, int]] = None

    def begin(self, requests: int) -> None:
        """A prediction for *requests* requests begins."""
        self.running = (time.monotonic(), requests)

    def end(self) -> None:
        """It has ended."""
        self.running = None


class _Item:
    """A request that was read. ``key`` is equal for requests that may be joined."""

    __slots__ = ("job", "key", "read", "rows")

    def __init__(self, job: Job, read: Union[Block, Reading], key: Optional[Hashable], rows: int) -> None:
        self.job = job
        self.read = read
        self.key = key
        self.rows = rows


class _CannotSplit(Exception):
    """A batch was answered with something that has not one entry per row."""


class Runner:
    """Scores jobs along the paths that were chosen at load."""

    def __init__(self, scorer: Scorer, paths: Paths, batch_rows: int, clock: Clock, hider: Hider) -> None:
        self._scorer = scorer
        self._reader = paths.reader
        self._direct = paths.direct
        self._batch_rows = batch_rows
        self._clock = clock
        self._hider = hider
        self._seconds = paths.direct_seconds
        self._ignores_index = paths.ignores_index
        self.batches = paths.batches

    @property
    def is_quick(self) -> bool:
        """Whether :meth:`run_quick` may run where it would keep others waiting."""
        return self._direct is not None and self._seconds < _DIRECT_QUICK

    def run_quick(self, jobs: List[Job]) -> Tuple[Answers, List[Job]]:
        """Answer what the direct path can answer at once; the other jobs are returned for :meth:`run`."""
        assert self._reader is not None
        items: List[_Item] = []
        others: List[Job] = []
        for job in jobs:
            block = self._reader.read(job.request.body, job.content_type)
            if block is None:
                others.append(job)
            else:
                items.append(_Item(job, block, None, len(block.rows)))
        answers: List[Tuple[Job, Optional[Response]]] = []
        for chunk in self._chunks(items) if self.batches else [[item] for item in items]:
            self._clock.begin(len(chunk))
            try:
                answers.extend(self._direct_answers(chunk))
            except Exception:  # noqa: BLE001 - Outside, or a direct path that has a fault: pyfunc decides
                others.extend(item.job for item in chunk)
            self._clock.end()
        return answers, others

    def run(self, jobs: List[Job], deliver: Deliver) -> None:
        """Answer all jobs; *deliver* is called as soon as some are answered."""
        groups: Dict[Hashable, List[_Item]] = {}
        for job in jobs:
            if job.request.gone:
                deliver([(job, None)])
                continue
            item = self._read(job)
            if isinstance(item, Response):
                deliver([(job, item)])
            else:
                key = ("alone", id(item)) if item.key is None or job.alone or not self.batches else item.key
                groups.setdefault(key, []).append(item)
        for group in groups.values():
            for chunk in self._chunks(group):
                self._score(chunk, deliver)

    def _read(self, job: Job) -> Union[_Item, Response]:
        if self._reader is not None:
            block = self._reader.read(job.request.body, job.content_type)
            if block is not None:
                key: Optional[Hashable] = "block" if block.labels is None or self._ignores_index else None
                return _Item(job, block, key, len(block.rows))
        reading = self._scorer.read(job.request.body, job.content_type, job.request_id)
        if isinstance(reading, Response):
            return reading
        key, rows = self._joint(reading)
        return _Item(job, reading, key, rows)

    def _joint(self, reading: Reading) -> Tuple[Optional[Hashable], int]:
        """What must be equal for two readings to be joined, and the rows; no key when they must stay alone."""
        data = reading.prepared.data
        if reading.prepared.empty or not self.batches:
            return None, 1
        try:
            params = json.dumps(reading.params, sort_keys=True)
        except (TypeError, ValueError):
            return None, 1
        if isinstance(data, numpy().ndarray) and data.ndim and data.dtype.kind != "O":
            return ("array", data.dtype.str, data.shape[1:], params), len(data)
        if not isinstance(data, pandas().DataFrame):
            return None, 1
        if not self._ignores_index and not isinstance(data.index, pandas().RangeIndex):
            return None, 1
        kinds = tuple((str(name), type(name).__name__, str(dtype)) for name, dtype in data.dtypes.items())
        return ("frame", kinds, params), len(data)

    def _chunks(self, items: List[_Item]) -> List[List[_Item]]:
        """The items in batches of a bounded number of rows; a larger one is a batch of its own."""
        if sum(item.rows for item in items) <= self._batch_rows:
            return [items] if items else []
        chunks: List[List[_Item]] = []
        rows = 0
        for item in items:
            if not chunks or rows + item.rows > self._batch_rows:
                chunks.append([])
                rows = 0
            chunks[-1].append(item)
            rows += item.rows
        return chunks

    def _score(self, items: List[_Item], deliver: Deliver) -> None:
        if len(items) > 1:
            answers = self._together(items)
            if answers is not None:
                return deliver(answers)
        for item in items:
            if item.job.request.gone:
                deliver([(item.job, None)])
                continue
            self._clock.begin(1)
            response = self._alone(item)
            self._clock.end()
            deliver([(item.job, response)])
        return None

    def _alone(self, item: _Item) -> Response:
        read, job = item.read, item.job
        if isinstance(read, Reading):
            return self._scorer.answer(read, job.request_id)
        assert self._reader is not None
        answer = self._direct_alone(item)
        if answer is not None:
            return answer
        try:
            data = self._reader.data(read.rows, read.labels)
        except Exception:  # noqa: BLE001 - such as half a surrogate in a text: the general path says what is wrong
            return self._scorer.score(job.request.body, job.content_type, job.request_id)
        reading = Reading(Prepared(data), {}, {"x-modelserve-format": read.dialect}, read.bare)
        return self._scorer.answer(reading, job.request_id)

    def _direct_alone(self, item: _Item) -> Optional[Response]:
        if self._direct is None:
            return None
        try:
            return self._direct_answers([item])[0][1]
        except Exception:  # noqa: BLE001 - Outside, or a direct path that has a fault: pyfunc decides
            return None

    def _together(self, items: List[_Item]) -> Optional[Sequence[Tuple[Job, Response]]]:
        """The answers of one joint prediction; ``None`` when the items must be scored alone."""
        self._clock.begin(len(items))
        try:
            if isinstance(items[0].read, Block):
                if self._direct is not None:
                    return self._direct_answers(items)
                predictions = self._scorer.predict(self._block_data(items), {})
            else:
                readings = [item.read for item in items if isinstance(item.read, Reading)]
                joined = _join([reading.prepared.data for reading in readings])
                predictions = self._scorer.predict(joined, readings[0].params)
            return _dress(items, _split(predictions, [item.rows for item in items]))
        except Outside:
            return None
        except _CannotSplit as error:
            self.batches = False
            sys.stderr.write("a batch was answered with %s: batching is switched off\n" % error)
            return None
        except BaseException:  # noqa: BLE001 - a model may even call sys.exit; each request is asked alone then
            last = _last_line(self._hider)
            sys.stderr.write("a batch of %d requests failed; each is scored alone\n%s" % (len(items), last))
            return None
        finally:
            self._clock.end()

    def _block_data(self, items: List[_Item]) -> Any:
        assert self._reader is not None
        return self._reader.data(_rows(items))

    def _direct_answers(self, items: List[_Item]) -> List[Tuple[Job, Response]]:
        assert self._reader is not None
        assert self._direct is not None
        # The thread's own time, because a busy machine makes no prediction slow for the others that wait.
        begin = time.thread_time()
        predictions = self._direct(self._reader.matrix(_rows(items)))
        self._seconds += 0.1 * (time.thread_time() - begin - self._seconds)
        return _dress(items, _split(predictions, [item.rows for item in items]))


def _rows(items: List[_Item]) -> List[Sequence[Any]]:
    if len(items) == 1:
        return items[0].read.rows  # type: ignore[union-attr]
    return [row for item in items for row in item.read.rows]  # type: ignore[union-attr]


def _join(data: List[Any]) -> Any:
    if isinstance(data[0], numpy().ndarray):
        return numpy().concatenate(data)
    return pandas().concat(data, ignore_index=True)


def _split(predictions: Any, sizes: List[int]) -> List[Any]:
    """The JSON values of each request's rows.

    Raises:
        _CannotSplit: not one entry per row.
    """
    kinds = (numpy().ndarray, list, pandas().DataFrame, pandas().Series)
    if type(predictions) not in kinds or (isinstance(predictions, numpy().ndarray) and not predictions.ndim):
        raise _CannotSplit("a " + type(predictions).__name__)
    if len(predictions) != sum(sizes):
        raise _CannotSplit("%d entries for %d rows" % (len(predictions), sum(sizes)))
    values = plain(predictions)
    if len(sizes) == 1:
        return [values]
    found, begin = [], 0
    for size in sizes:
        found.append(values[begin : begin + size])
        begin += size
    return found


def _dress(items: List[_Item], values: List[Any]) -> List[Tuple[Job, Response]]:
    answers: List[Tuple[Job, Response]] = []
    for item, value in zip(items, values):
        read = item.read
        headers = {"x-modelserve-format": read.dialect} if isinstance(read, Block) else read.headers
        answers.append((item.job, Response(200, dump(value, read.bare), headers=headers)))
    return answers


def _last_line(hider: Hider) -> str:
    # What is cut off a secret's value would not be found in the log any more.
    return hider.clean_text(traceback.format_exc()).strip().rpartition("\n")[2][:500] + "\n"
