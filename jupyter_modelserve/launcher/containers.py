"""End containers that outlived their controller, for ``down``.

Normally the controller does it. When it was killed, each container's parent is asked through its own socket and key,
which needs no Docker engine; then the engine is asked to remove what is left. What cannot be removed keeps its record,
and the next controller removes it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.launcher import identity, private
from jupyter_modelserve.settings import Paths, Settings

_SOCKET: Final = "unix:///var/run/docker.sock"
_INSTANCE: Final = "modelserve.instance"
_REPLICA: Final = "modelserve.replica"
_ENGINE_PATIENCE_S: Final = 20.0
_PAUSE_S: Final = 0.05


def stop_containers(paths: Paths, grace: float) -> bool:
    """End and remove the containers that are written down; whether there was any."""
    records = sorted(paths.containers.glob("*/replica.json")) if paths.containers.is_dir() else []
    if not records:
        return False
    asked = [each for each in records if _ask(paths, each, grace)]
    _wait(paths, asked, grace + 3.0)
    for record in records:
        _remove(paths, record.parent.name)
    return True


def _control(paths: Paths, replica: str) -> Path:
    return paths.replica_sockets / replica / "control.sock"


def _ask(paths: Paths, record: Path, grace: float) -> bool:
    """Whether the parent was told to end."""
    try:
        key = str(json.loads(record.read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    control, headers = _control(paths, record.parent.name), {"x-modelserve-key": key}
    return private.request(control, "POST", f"/stop?grace={grace:g}", headers=headers, timeout=10.0) is not None


def _wait(paths: Paths, records: list[Path], seconds: float) -> None:
    """Until the parents have let go of their sockets."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_control(paths, each.parent.name).exists() for each in records):
        time.sleep(_PAUSE_S)


def _remove(paths: Paths, replica: str) -> None:
    """Container and volume by the engine's own API, where it answers and they carry our labels; then the record."""
    engine, instance = _engine(paths), identity.read(paths)
    if engine is None or instance is None:
        return
    name = f"modelserve-{instance.instance_id[:8]}-{replica}"
    container, volume = f"/containers/{name}", f"/volumes/{name}"
    gone = [
        _gone(engine, f"{container}/json", f"{container}?force=1&v=1", instance.instance_id, replica),
        _gone(engine, volume, f"{volume}?force=1", instance.instance_id, replica),
    ]
    if all(gone):
        for each in (paths.containers / replica, paths.replica_sockets / replica):
            shutil.rmtree(each, ignore_errors=True)


def _engine(paths: Paths) -> Path | None:
    """The socket of the Docker engine on this machine."""
    try:
        chosen = Settings.load(paths.home).docker_host
    except InvalidParameter:
        chosen = ""
    host = chosen or os.environ.get("DOCKER_HOST", "") or _SOCKET
    return Path(host.removeprefix("unix://")) if host.startswith("unix://") else None


def _gone(engine: Path, look: str, remove: str, instance: str, replica: str) -> bool:
    """Whether it is not there (any more); what is not ours stays."""
    found = private.request(engine, "GET", look, timeout=_ENGINE_PATIENCE_S)
    if found is None or found[0] not in {200, 404}:
        return False
    if found[0] == 404:
        return True
    if not _ours(json.loads(found[1]), instance, replica):
        return False
    answer = private.request(engine, "DELETE", remove, timeout=_ENGINE_PATIENCE_S)
    return answer is not None and answer[0] in {200, 204, 404}


def _ours(found: dict[str, Any], instance: str, replica: str) -> bool:
    marks = (found.get("Config") or found).get("Labels") or {}
    return bool(marks.get(_INSTANCE) == instance and marks.get(_REPLICA) == replica)
