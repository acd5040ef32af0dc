"""Who runs next, and where: the one queue of a worker.

One prediction runs at a time. There is no timer: a batch is what has arrived while the model was busy, and who comes
back at once from the batch before (see gathering.py). Direct predictions of some microseconds run in the event loop's
own thread, because handing a request to another thread and back costs more than they do; everything else runs in the
main thread, so that ``/ping`` answers meanwhile.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections import deque
from typing import Callable, Deque, List, Optional

from ..wire import Response
from .batching import Answers, Job, Runner
from .gathering import Gathering

_MOST_REQUESTS = 256
_MOST_BYTES = 1024 * 1024
_QUICK_BYTES = 64 * 1024
_ENOUGH_BYTES = 16 * 1024
"""A request of so many rows saves nothing by sharing a batch: it does not wait for others."""
_PAUSE = 0.00005
"""Seconds between two looks at the sockets while a batch gathers; the loop's own timers are coarser."""

Finish = Callable[[Job, Optional[Response]], None]


class Scheduler:
    """All methods but :meth:`work` are called in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, finish: Finish) -> None:
        self._loop = loop
        self._finish = finish
        self._runner: Optional[Runner] = None
        self._waiting: Deque[Job] = deque()
        self._handed: queue.SimpleQueue[Optional[List[Job]]] = queue.SimpleQueue()
        self._busy = False
        self._scheduled = False
        self._gathering = Gathering()

    def use(self, runner: Runner) -> None:
        """From any thread, once: what answers the jobs."""
        self._runner = runner

    def submit(self, job: Job) -> None:
        """Queue a job. It is looked at when the loop has read everything that is there to be read now."""
        self._waiting.append(job)
        self._schedule()

    def _schedule(self) -> None:
        if not self._busy and not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._scheduled = False
        runner = self._runner
        if self._busy or runner is None:
            return
        is_quick = runner.is_quick
        if runner.batches and not is_quick and self._gathers():
            return
        jobs = self._take(_QUICK_BYTES if is_quick else _MOST_BYTES, runner.batches)
        if not jobs:
            return
        if is_quick and len(jobs[0].request.body) <= _QUICK_BYTES:
            answers, jobs = runner.run_quick(jobs)
            self._deliver(answers)
        if jobs:
            self._busy = True
            self._handed.put(jobs)
        elif self._waiting:
            self._schedule()

    def _gathers(self) -> bool:
        """Whether the next batch waits a moment longer; then it is looked at again."""
        if not self._waiting or len(self._waiting[0].request.body) > _ENOUGH_BYTES:
            return False
        if not self._gathering.wants_more(time.monotonic(), len(self._waiting)):
            return False
        time.sleep(_PAUSE)
        self._schedule()
        return True

    def _take(self, most_bytes: int, together: bool) -> List[Job]:
        """The next jobs; a larger one, or one that has to be alone, is alone."""
        taken: List[Job] = []
        size = 0
        while self._waiting:
            job = self._waiting[0]
            if job.request.gone:
                self._finish(self._waiting.popleft(), None)
                continue
            size += len(job.request.body)
            if taken and (job.alone or size > most_bytes):
                break
            taken.append(self._waiting.popleft())
            if not together or job.alone or len(taken) == _MOST_REQUESTS:
                break
        return taken

    def _deliver(self, answers: Answers) -> None:
        for job, response in answers:
            self._finish(job, response)

    def _done(self, took: float, answered: int) -> None:
        self._busy = False
        self._gathering.ended(time.monotonic(), took, answered, len(self._waiting))
        if self._waiting:
            self._schedule()

    def work(self) -> None:
        """Run what was handed over, in the caller's thread, for ever."""
        assert self._runner is not None

        def deliver(answers: Answers) -> None:
            self._loop.call_soon_threadsafe(self._deliver, answers)

        while True:
            jobs = self._handed.get()
            if jobs is None:
                return
            begin = time.monotonic()
            self._runner.run(jobs, deliver)
            self._loop.call_soon_threadsafe(self._done, time.monotonic() - begin, len(jobs))
