"""Whether an instance that does not answer is about to come back: the daemons restart each other within seconds."""

from __future__ import annotations

from typing import Final

from jupyter_modelserve import locks
from jupyter_modelserve.settings import Paths

HEAL_SECONDS: Final = 15.0
"""How long it is waited for: it takes two seconds; this is for a machine under load."""
PAUSE_SECONDS: Final = 0.1


def is_alive(paths: Paths) -> bool:
    """Whether a daemon runs that will bring the other back: then it is worth waiting."""
    return not paths.stopping_file.exists() and any(
        locks.is_held(paths.lock(daemon)) for daemon in ("controller", "gateway")
    )
