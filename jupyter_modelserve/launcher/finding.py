"""Find the running instance of a home directory; reads one small file and asks two sockets (under 5 ms)."""

from __future__ import annotations

from jupyter_modelserve.launcher import identity, private
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Instance


def find(paths: Paths | None = None) -> Instance | None:
    """The instance when both daemons answer with its nonce, else ``None``. Starts nothing, changes nothing.

    An instance that is being stopped (``home/stopping``) is not found, even while it still answers.

    Raises:
        InvalidParameter: ``instance.json`` is there but damaged.
    """
    paths = paths or Paths.default()
    if paths.stopping_file.exists():
        return None
    instance = identity.read(paths)
    if instance is None:
        return None
    return instance if all(answers(paths, instance, daemon) for daemon in private.DAEMONS) else None


def answers(paths: Paths, instance: Instance, daemon: str) -> bool:
    """Whether *daemon* answers on its private socket and proves to be of *instance*."""
    found = private.health(paths, daemon)
    return found is not None and found.get("nonce") == instance.nonce
