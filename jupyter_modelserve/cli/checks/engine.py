"""The Docker engine: whether it is needed, answers, may be used, keeps containers, has room and the base image.

Speaks to the socket itself: the command line does without the SDK, and a missing right must be told from a missing
engine.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from jupyter_modelserve.cli.checks.finding import Finding, Level
from jupyter_modelserve.launcher import private
from jupyter_modelserve.settings import Paths, Settings

_SUBJECT: Final = "docker"
_SOCKET: Final = "unix:///var/run/docker.sock"
_LITTLE: Final = 5 * 1024**3


def docker(paths: Paths) -> Finding:
    """What stands in the way of containers; harmless where nothing is to run in one."""
    settings = Settings.load(paths.home)
    found = _look(settings)
    if _needed(paths, settings):
        return found
    if found.level is Level.OK:
        return Finding(Level.OK, _SUBJECT, f"{found.message} (not needed)")
    return Finding(Level.OK, _SUBJECT, f"{found.message} (not needed: models run as processes)")


def _needed(paths: Paths, settings: Settings) -> bool:
    return settings.engine == "docker" or (paths.containers.is_dir() and any(paths.containers.iterdir()))


def _look(settings: Settings) -> Finding:
    host = settings.docker_host or os.environ.get("DOCKER_HOST", "") or _SOCKET
    if not host.startswith("unix://"):
        return _failed(f"the engine at {host.partition(':')[0]}://… is not on this machine", "use the engine process")
    path = Path(host.removeprefix("unix://"))
    problem = _reach(path)
    if problem is not None:
        return problem
    info = _ask(path, "/info")
    if info is None:
        return _failed("the engine does not answer", "restart it, for example: sudo systemctl restart docker")
    return _judge(settings, path, info)


def _reach(path: Path) -> Finding | None:
    """Why the socket cannot be used."""
    with closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except PermissionError:
            return _failed(f"you may not use {path}", "sudo usermod -aG docker $USER, then log in again")
        except OSError:
            return _failed(f"no engine answers at {path}", "install Docker, or start it: sudo systemctl start docker")
    return None


def _judge(settings: Settings, path: Path, info: dict[str, Any]) -> Finding:
    options = " ".join(info.get("SecurityOptions") or ())
    if "rootless" in options or "userns" in options:
        return _failed("the engine shifts user ids (rootless or userns-remap)", "use the engine process")
    version, root = info.get("ServerVersion", ""), str(info.get("DockerRootDir", ""))
    free = _free(root)
    if free is not None and free < _LITTLE:
        advice = "docker system prune removes what nothing uses; docker system df shows what takes it"
        return Finding(Level.WARN, _SUBJECT, f"{free / 1024**3:.1f} GiB free in {root}", advice)
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = settings.base_image.replace("{python}", minor)
    if _ask(path, f"/images/{quote(base, safe='/:')}/json") is None:
        message = f"engine {version} answers; the base image {base} is not there and will be fetched when needed"
        return Finding(Level.WARN, _SUBJECT, message, f"docker pull {base}, or name another in the setting base_image")
    if not info.get("LiveRestoreEnabled"):
        message = f"engine {version} answers; its restart ends all containers (live-restore is off)"
        return Finding(Level.WARN, _SUBJECT, message, 'put {"live-restore": true} into /etc/docker/daemon.json')
    return Finding(Level.OK, _SUBJECT, f"engine {version} answers")


def _free(root: str) -> int | None:
    """Bytes that the engine's disk has left; whoever may reach the directory may ask, even where nobody may list it."""
    try:
        return shutil.disk_usage(root).free
    except OSError:
        return None


def _ask(path: Path, target: str) -> dict[str, Any] | None:
    answer = private.request(path, "GET", target)
    if answer is None or answer[0] != 200:
        return None
    found = json.loads(answer[1])
    return found if isinstance(found, dict) else None


def _failed(message: str, advice: str) -> Finding:
    return Finding(Level.FAIL, _SUBJECT, message, advice)
