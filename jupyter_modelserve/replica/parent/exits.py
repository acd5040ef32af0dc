"""What the end of a worker means: a signal, an exit code, or the kernel's out-of-memory killer.

A process killed for memory only shows signal 9. The kernel counts such kills per control group (or for the machine), so
that a count that grew while the worker lived tells it from any other kill -9.
"""

from __future__ import annotations

import re
from typing import Dict, List, Optional

EXIT_HUNG = 75
_Failure = Dict[str, str]


def oom_kills() -> Optional[int]:
    """How many processes the kernel has killed for memory in our control group, else on this machine; None: unknown."""
    for path in (*_cgroup_events(), "/proc/vmstat"):
        count = _counter(path)
        if count is not None:
            return count
    return None


def _cgroup_events() -> List[str]:
    """Where our control group's counter may be: in a container its directory is mounted as the root of them all."""
    try:
        with open("/proc/self/cgroup", encoding="ascii", errors="replace") as stream:
            for line in stream:
                number, controllers, path = line.rstrip("\n").split(":", 2)
                if number == "0":
                    places = (path.rstrip("/"), "")
                    return ["/sys/fs/cgroup" + place + "/memory.events" for place in places]
                if "memory" in controllers.split(","):
                    places = (path.rstrip("/"), "")
                    return ["/sys/fs/cgroup/memory" + place + "/memory.oom_control" for place in places]
    except (OSError, ValueError):
        return []
    return []


def _counter(path: str) -> Optional[int]:
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            found = re.search(r"^oom_kill (\d+)$", stream.read(), re.MULTILINE)
    except OSError:
        return None
    return None if found is None else int(found.group(1))


def explain_exit(code: int, oom_before: Optional[int]) -> _Failure:
    """``{"cause", "message", "hint"}`` for a worker that ended by itself (negative code: by that signal)."""
    now = oom_kills()
    if code == -9 and oom_before is not None and now is not None and now > oom_before:
        hint = "choose a larger workload size, or serve fewer versions on this machine"
        return {
            "cause": "out of memory",
            "message": "the kernel ended the version because memory ran out",
            "hint": hint,
        }
    if code == EXIT_HUNG:
        hint = "raise the request time-out, or make predict faster"
        return {"cause": "crashed", "message": "a prediction ran longer than time-out and grace allow", "hint": hint}
    if code < 0:
        hint = "the log shows the last lines before it; native code of a library is the usual reason"
        if code == -9:
            hint = "something killed the process; if memory is short, that was the likely reason"
        return {"cause": "crashed", "message": "the version's process crashed (signal %d)" % -code, "hint": hint}
    hint = "the model's code ended the process; the log shows the last lines before it"
    return {"cause": "crashed", "message": "the version's process ended with exit code %d" % code, "hint": hint}
