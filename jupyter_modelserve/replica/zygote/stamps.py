"""Notices that an environment is no longer what the zygote imported: somebody ran pip in it, or edited a module.

Looked at before every fork, so it has to take milliseconds: directories of the import path, where every installation
leaves a trace, and the files of the modules that are loaded.
"""

from __future__ import annotations

import os
import sys
from typing import Dict, Optional, Tuple

_Stamp = Optional[Tuple[int, int, int]]


class Stamps:
    """Made before anything is imported."""

    def __init__(self) -> None:
        self._places: Dict[str, _Stamp] = {place: _stamp(place) for place in sys.path if place}
        self._files: Dict[str, _Stamp] = {}
        self._before = set(sys.modules)

    def take_modules(self) -> None:
        """Remember the files of what has been imported since."""
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if name not in self._before and isinstance(path, str) and path not in self._files:
                self._files[path] = _stamp(path)

    def changed(self) -> str:
        """What is not what it was; empty when all is."""
        for known in (self._places, self._files):
            for path, stamp in known.items():
                if _stamp(path) != stamp:
                    return "%s has changed" % path
        return ""


def _stamp(path: str) -> _Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
