"""Stop an instance and leave nothing behind: daemons, the MLflow child, replicas."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from jupyter_modelserve import locks
from jupyter_modelserve.errors import NotRunning
from jupyter_modelserve.launcher import private
from jupyter_modelserve.launcher.containers import stop_containers
from jupyter_modelserve.launcher.starting import check_platform
from jupyter_modelserve.settings import Paths, write_private

_PAUSE_S: Final = 0.03
_ESCALATION_S: Final = 5.0
_REPLICA_GRACE_S: Final = 2


def stop(paths: Paths | None = None, *, timeout: float = 30) -> bool:
    """End both daemons with everything they run; ``home/stopping`` keeps them from restarting each other.

    Args:
        paths: the home; by default ``MODELSERVE_HOME`` or the Jupyter data directory.
        timeout: seconds they get to end by themselves. Afterwards SIGTERM and SIGKILL go to the holders of the
            locks, and to nobody else.

    Returns:
        whether something ran.

    Raises:
        NotRunning: something could not be stopped; names it.
    """
    check_platform()
    paths = paths or Paths.default()
    if not paths.home.is_dir() or not paths.run.is_dir():
        return False
    lock = locks.take(paths.lock("launch"), patience=timeout)
    if lock is None:
        raise NotRunning("another process is starting or stopping the instance and does not finish; try again")
    with lock:
        ran = bool(_alive(paths))
        # Also when nothing runs yet: a daemon that was spawned a moment ago may hold no lock so far.
        write_private(paths.stopping_file, "")
        if ran:
            _stop_daemons(paths, time.monotonic() + timeout)
        orphans = stop_replicas(paths)
        return ran or orphans


def _alive(paths: Paths) -> list[str]:
    return [daemon for daemon in private.DAEMONS if locks.is_held(paths.lock(daemon))]


def _stop_daemons(paths: Paths, deadline: float) -> None:
    left = max(1.0, deadline - time.monotonic())
    private.request(
        paths.controller_socket, "POST", "/internal/stop", body={"replicas": "stop"}, timeout=min(left, 10.0)
    )
    private.request(paths.gateway_socket, "POST", "/internal/stop", body={}, timeout=min(left, 10.0))
    if _wait_until_gone(paths, deadline):
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        for daemon in _alive(paths):
            signal_holder(paths.lock(daemon), number)
        if _wait_until_gone(paths, time.monotonic() + _ESCALATION_S):
            return
    raise NotRunning(f"could not stop: {', '.join(_alive(paths))}; see the logs in {paths.logs}")


def _wait_until_gone(paths: Paths, deadline: float) -> bool:
    while _alive(paths):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def signal_holder(lock: Path, number: signal.Signals) -> bool:
    """Signal the process whose pid is in *lock*, provided that the lock is held and that very process has it open.

    Returns:
        whether a signal was sent. A pid alone proves nothing: it may have been given to a stranger.
    """
    pid = locks.owner(lock)
    if pid is None or pid == os.getpid() or not locks.is_held(lock):
        return False
    try:
        if sys.platform != "linux":
            os.kill(pid, number)
            return True
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # The handle is taken first, so that what is checked and what is signalled are the same process.
        if not _has_open(pid, lock):
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _has_open(pid: int, lock: Path) -> bool:
    wanted = lock.stat()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if os.path.samestat(descriptor.stat(), wanted):
                return True
        except OSError:
            continue
    return False


def stop_replicas(paths: Paths) -> bool:
    """End the replicas that outlived their controller, each through its own control socket and key.

    The controller ends its replicas itself; this is for one that was killed and cannot.
    """
    stopped = False
    for specification in paths.replicas.glob("*/replica.json"):
        try:
            found = json.loads(specification.read_text(encoding="utf-8"))
            control, key = Path(found["sockets"]) / "control.sock", str(found["key"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        target = f"/stop?grace={_REPLICA_GRACE_S}"
        answer = private.request(control, "POST", target, headers={"x-modelserve-key": key}, timeout=10.0)
        stopped = stopped or answer is not None
    return stop_containers(paths, _REPLICA_GRACE_S) or stopped
