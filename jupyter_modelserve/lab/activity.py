"""Which endpoints are served right now, from two small files: Jupyter Server asks synchronously, once a minute.

Asking the daemons would need the event loop and would count as a client of theirs, which keeps them from ending.
"""

from __future__ import annotations

import json

from jupyter_modelserve import locks
from jupyter_modelserve.settings import Paths


def served(paths: Paths) -> list[str]:
    """The names in the gateway's last route table while the gateway runs, sorted; else nothing. Never raises."""
    try:
        if paths.stopping_file.exists() or not locks.is_held(paths.lock("gateway")):
            return []
        found = json.loads(paths.routes_file.read_text(encoding="utf-8"))
        return sorted(found["routes"]["endpoints"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
