"""Entry of the zygote: warm, then fork a worker for every request of the parent, until the parent is gone.

Messages are JSON, one per packet. The zygote first says ``{"ready": …}`` or ``{"unfit": reason}``. A request is
``{"number", "flavors", "modules", "cwd", "environ", "arguments"}`` with descriptors beside it; the answer has the same
number and ``pid`` and ``descriptors`` (their numbers in the worker), or ``refused`` (spawn it instead), or ``stale``
(have a new zygote: the environment is not what was imported, or a flavour, which ``avoid`` names, must not be forked).
"""

from __future__ import annotations

import array
import gc
import json
import os
import socket
import sys
from typing import Any, Dict, List, Tuple

from ..worker import lifeline
from . import forking, warming
from .stamps import Stamps

_MESSAGE = 128 * 1024
_MOST_DESCRIPTORS = 8


def main(arguments: List[str]) -> int:
    """Run the zygote of a replica: directory, number of the control socket, pid of the parent."""
    control = socket.socket(fileno=int(arguments[1]))
    lifeline.die_with_parent(int(arguments[2]))
    # Pages that the collector writes to are shared no longer.
    gc.disable()
    stamps = Stamps()
    try:
        warming.warm()
    except Exception as error:  # noqa: BLE001 - a library that fails half-imported would fail in another way when forked
        reason = "warming failed (%s: %s)" % (type(error).__name__, str(error).strip().split("\n")[0][:200])
    else:
        reason = warming.unfit()
    if reason:
        _send(control, {"unfit": reason})
        return 0
    stamps.take_modules()
    gc.collect()
    gc.freeze()
    _send(control, {"ready": len(sys.modules)})
    while True:
        data, descriptors = _receive(control)
        if not data:
            return 0
        answer = _answer(control, json.loads(data), descriptors, stamps)
        for descriptor in descriptors:
            os.close(descriptor)
        _send(control, answer)
        if "stale" in answer:
            return 0


def _answer(control: socket.socket, request: Dict[str, Any], descriptors: List[int], stamps: Stamps) -> Dict[str, Any]:
    number = {"number": request["number"]}
    changed = stamps.changed()
    if changed:
        return {**number, "stale": changed}
    own = sorted(set(request["modules"]) & {name.partition(".")[0] for name in sys.modules})
    if own:
        return {**number, "refused": "its module %s is called like one that is loaded" % own[0]}
    for flavor in request["flavors"]:
        if not warming.is_new(flavor):
            continue
        reason = warming.warm_flavor(flavor)
        if reason:
            return {**number, "stale": reason, "avoid": flavor}
        stamps.take_modules()
        gc.freeze()
    try:
        pid = forking.fork(control, request, descriptors)
    except OSError as error:
        return {**number, "refused": "it cannot be forked: %s" % error.strerror}
    return {**number, "pid": pid, "descriptors": descriptors}


def _send(control: socket.socket, document: Dict[str, Any]) -> None:
    try:
        control.send(json.dumps(document).encode("ascii"))
    except OSError:
        os._exit(0)


def _receive(control: socket.socket) -> Tuple[bytes, List[int]]:
    """One packet and the descriptors beside it, none of which a later exec inherits."""
    numbers = array.array("i")
    data, ancillary, _, _ = control.recvmsg(_MESSAGE, socket.CMSG_SPACE(_MOST_DESCRIPTORS * numbers.itemsize))
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    for number in numbers:
        os.set_inheritable(number, False)
    return data, list(numbers)
