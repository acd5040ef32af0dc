"""Where requests wait for a version that is scaled to zero, until a new table says that it is there (REQ-135).

Nobody is refused because nothing runs: requests are held, the controller is told (``demand``), and each new table lets
them look again. What may wait is bounded in number and time. Another such room is for versions that were not asked to
go (``returning``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from jupyter_modelserve.errors import TooManyRequests, Unavailable
from jupyter_modelserve.gateway.routing import Key


class WaitingRoom:
    """Requests that are held, by version.

    Args:
        most: of one version at a time.
        patience: seconds that one may wait.
        full: what a version does for which too many wait, for the sentence.
        late: what it did when it is not there in time.

    ``entered`` counts the requests that had to wait, ``activations`` how often somebody was the first one. ``noticed``
    is called then.
    """

    def __init__(
        self,
        most: int,
        patience: float,
        full: str = "returns from zero replicas",
        late: str = "was scaled to zero and did not return",
    ) -> None:
        self.patience = patience
        self._full = full
        self._late = late
        self.noticed: Callable[[], None] = lambda: None
        self.held: Counter[Key] = Counter()
        self.entered = 0
        self.activations = 0
        self._most = most
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """A new table is in force: everybody looks again."""
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    @contextlib.contextmanager
    def place(self, model: str, version: str, again: bool = False) -> Iterator[None]:
        """Have a place among those who wait for a version; *again* for who was counted already.

        Raises:
            TooManyRequests: too many wait already.
        """
        key = (model, version)
        if self.held[key] >= self._most:
            raise TooManyRequests(
                f"version {version} of {model!r} {self._full} and {self._most} requests wait for it",
                details={"model": model, "version": version},
                retry_after_s=1,
            )
        self.held[key] += 1
        self.entered += not again
        if self.held[key] == 1:
            self.activations += 1
            self.noticed()
        try:
            yield
        finally:
            self.held[key] -= 1
            if not self.held[key]:
                del self.held[key]

    async def wait(self, model: str, version: str, until: float) -> None:
        """Wait for the next table, at most *until* (time of the loop).

        Raises:
            Unavailable: the time is over.
        """
        try:
            async with asyncio.timeout_at(until):
                await self._changed.wait()
        except TimeoutError as error:
            raise Unavailable(
                f"version {version} of {model!r} {self._late} within {self.patience:g} seconds; see its log and the "
                "endpoint's events",
                details={"model": model, "version": version},
                retry_after_s=10,
            ) from error
