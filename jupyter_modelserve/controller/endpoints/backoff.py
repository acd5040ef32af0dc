"""When something that failed may be tried again: 1, 2, 5, 10, 30, 60 seconds (architecture §5)."""

from __future__ import annotations

STEPS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Backoff:
    """Counts failures by name. ``not_before`` gives the times (same clock as *now*) for the planner."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}
        self.not_before: dict[str, float] = {}

    def failed(self, name: str, now: float, most: float = STEPS[-1]) -> float:
        """Note a failure (or an attempt that may fail); returns the seconds to wait, at most *most*."""
        count = self._count.get(name, 0)
        delay = min(STEPS[min(count, len(STEPS) - 1)], most)
        self._count[name] = count + 1
        self.not_before[name] = now + delay
        return delay

    def count(self, name: str) -> int:
        """How often it failed since it last worked."""
        return self._count.get(name, 0)

    def reset(self, name: str) -> None:
        """It works again."""
        self._count.pop(name, None)
        self.not_before.pop(name, None)
