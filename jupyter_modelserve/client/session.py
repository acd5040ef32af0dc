"""The kernel's own client, so that ``ms.score(...)`` and the magics need no client object in every call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import NotRunning

T = TypeVar("T")

_lock = threading.RLock()
_current: Client | None = None


def current(*, start: bool = True) -> Client:
    """The client of this kernel; found (and the local instance started) on first use.

    Raises:
        NotRunning: none runs and *start* is false.
    """
    global _current
    with _lock:
        if _current is None:
            _current = Client.discover(start=start)
        return _current


def use(client: Client | None) -> None:
    """Make *client* the one of this kernel; ``None`` forgets it, so that the next use looks again."""
    global _current
    with _lock:
        previous, _current = _current, client
    if previous is not None and previous is not client:
        previous.close()


def run(operation: Callable[[Client], T]) -> T:
    """*operation* with the kernel's client; when the local instance has ended meanwhile, it is started again once.

    Nothing is sent twice: ``NotRunning`` means that no connection could be made.
    """
    client = current()
    try:
        return operation(client)
    except NotRunning:
        if not client.address.local:
            raise
    use(None)
    return operation(current())
