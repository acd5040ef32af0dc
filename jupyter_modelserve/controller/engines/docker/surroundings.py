"""Which Docker engines can be used, and the sentence for those that cannot.

The sockets of a replica lie in a directory that container and gateway share, under the same user ids. That needs an
engine on this very machine that does not shift ids.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from jupyter_modelserve.controller.engines.base import EngineRejected

_INSTEAD: Final = "; use the process engine (engine = process)"


def check(host: str, info: Mapping[str, Any]) -> None:
    """Look at the engine's address and its own information.

    Raises:
        EngineRejected: containers of it could not be reached over a unix socket.
    """
    if not host.startswith("unix://") and not host.startswith("/"):
        kind = host.partition(":")[0]
        raise EngineRejected(f"the Docker engine is reached by {kind}, but must be on this machine{_INSTEAD}")
    if info.get("OSType") != "linux" or not sys.platform.startswith("linux"):
        raise EngineRejected(f"containers can be served from on Linux only for now{_INSTEAD}")
    if "docker desktop" in str(info.get("OperatingSystem", "")).lower():
        raise EngineRejected(f"Docker Desktop runs containers in a virtual machine that shares no sockets{_INSTEAD}")
    shifted = [each for each in info.get("SecurityOptions") or () if "rootless" in each or "userns" in each]
    if shifted:
        raise EngineRejected(f"the Docker engine shifts user ids (rootless or userns-remap){_INSTEAD}")
