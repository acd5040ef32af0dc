"""Entry of the parent process: read the replica's file, take its lock, listen, end when told."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
from typing import Any, Dict, List

from .control import Control
from .launching import Launcher
from .reaper import Reaper
from .subreaper import become_subreaper
from .zygote import Zygote

_TERM_GRACE = 5.0


def main(arguments: List[str]) -> int:
    """Run the parent of the replica in the given directory; 0 also when another parent already holds it."""
    if len(arguments) != 1:
        return 64
    os.umask(0o077)
    directory = os.path.abspath(arguments[0])
    lock = os.open(os.path.join(directory, "parent.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 0
    with open(os.path.join(directory, "replica.json"), encoding="utf-8") as stream:
        replica = json.load(stream)
    asyncio.run(_serve(directory, replica))
    return 0


async def _serve(directory: str, replica: Dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    reaper = Reaper()
    reaper.start()
    # Only a subreaper is given the workers that the zygote forks.
    forks = replica.get("start_method") != "spawn" and become_subreaper()
    zygote = Zygote(directory, reaper) if forks else None
    idle = float(replica.get("lane_idle", 60.0))
    control = Control(directory, replica, Launcher(directory, str(replica["key"]), reaper, zygote, idle))
    os.makedirs(replica["sockets"], mode=0o700, exist_ok=True)
    address = os.path.join(replica["sockets"], "control.sock")
    if os.path.exists(address):
        os.unlink(address)
    server = await loop.create_unix_server(control.listener, address)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: asyncio.ensure_future(control.stop(_TERM_GRACE)))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _write_identity(directory)
    if zygote is not None:
        zygote.start()
    await control.stopped.wait()
    if zygote is not None:
        zygote.close()
    server.close()
    control.listener.drain()
    if os.path.exists(address):
        os.unlink(address)


def _write_identity(directory: str) -> None:
    path = os.path.join(directory, "parent.json")
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump({"pid": os.getpid(), "start_time": start_time()}, stream)
    os.replace(temporary, path)


def start_time() -> str:
    """When this process began, as the engine compares it: clock ticks on Linux, ``lstart`` of ps elsewhere."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as stream:
            # The name in parentheses may hold blanks and parentheses itself.
            return stream.read().rpartition(")")[2].split()[19]
    except OSError:
        command = ["ps", "-o", "lstart=", "-p", str(os.getpid())]
        found = subprocess.run(command, stdout=subprocess.PIPE, check=False, env={**os.environ, "LC_ALL": "C"})
        return " ".join(found.stdout.decode().split())
