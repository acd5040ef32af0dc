"""Ends the process when a prediction runs for too long: a running ``predict`` cannot be stopped in any other way.

It looks from a thread of its own, because predictions run in the event loop's thread as well as in the main thread.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from .batching import Clock

EXIT_HUNG = 75
"""Exit code when a prediction outlived its time."""


def watch(clock: Clock, timeout: float, grace: float) -> None:
    """Start watching. A single request has *timeout* and *grace* seconds, a batch half of *timeout*.

    A batch gets less so that each of its requests can be asked again alone, within the time its caller still has.
    """
    pause = min(1.0, max(timeout / 8, 0.02))

    def look() -> None:
        while True:
            time.sleep(pause)
            running = clock.running
            if running is None:
                continue
            limit = timeout / 2 if running[1] > 1 else timeout + grace
            if time.monotonic() - running[0] > limit:
                what = "a prediction" if running[1] == 1 else "a batch of %d requests" % running[1]
                sys.stderr.write("%s ran longer than %g seconds; the worker is restarted\n" % (what, limit))
                sys.stderr.flush()
                os._exit(EXIT_HUNG)

    threading.Thread(target=look, name="watchdog", daemon=True).start()
