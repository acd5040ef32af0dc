"""How long a batch may wait for callers that are about to come back.

Callers who were answered together usually ask again together, a moment later. A batch that starts with the first of
them leaves the others to the next one, and two half crowds then take turns for ever: twice the predictions for the same
requests. So the next batch waits for the crowd, under three bounds: never for a caller who is alone, never longer than
a part of what the last batch took, and not again for a while when nobody came.
"""

from __future__ import annotations

_SHARE = 0.5
"""Of the last batch's time: what a wait may cost at most. Measured with 16 callers and a gateway between: a fifth is
enough for a forest (6 ms a batch, twice the requests), not for a model that takes 1.5 ms (a half: a fifth more)."""
_SHORTEST = 0.0005
"""Seconds: a batch that takes less saves less than the wait costs."""
_LONGEST = 0.002
_MOST_SKIPPED = 64


class Gathering:
    """Times are seconds of one monotonic clock. States: idle → (a batch ended) armed → waiting → idle."""

    def __init__(self) -> None:
        self._crowd = 0
        self._until = 0.0
        self._present = 0
        self._waited = False
        self._vain = 0
        self._skip = 0

    def ended(self, now: float, took: float, answered: int, waiting: int) -> None:
        """A batch of *answered* requests ended; *waiting* others had come meanwhile."""
        self._crowd, self._waited = answered + waiting, False
        if self._crowd < 2 or took < _SHORTEST:
            self._until = 0.0
        elif self._skip:
            self._skip -= 1
            self._until = 0.0
        else:
            self._until = now + min(took * _SHARE, _LONGEST)
            self._present = waiting

    def wants_more(self, now: float, waiting: int) -> bool:
        """Whether the next batch, of *waiting* requests so far, should wait a little longer."""
        if waiting < self._crowd and now < self._until:
            self._waited = True
            return True
        if self._waited:
            self._learn(waiting)
        self._until = 0.0
        return False

    def _learn(self, waiting: int) -> None:
        self._waited = False
        # Half of those who were missing are worth it: the others are still being answered.
        if 2 * (waiting - self._present) >= self._crowd - self._present:
            self._vain = 0
        else:
            self._vain = min(self._vain + 1, 10)
            self._skip = min(2**self._vain, _MOST_SKIPPED)
