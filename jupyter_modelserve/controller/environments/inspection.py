"""Runs inside a candidate interpreter (Python 3.8 syntax, standard library only) and prints what it offers as JSON.

It is passed as text with ``-c``, so that the candidate's import path is the one that a replica will have. METADATA
is read by hand because the email parser makes this ten times slower.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path


def _headers(distribution: metadata.Distribution) -> tuple[str, str, list[str]]:
    name = version = ""
    requires = []
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    for line in text.split("\n"):
        if not line.strip():
            break
        if line.startswith("Name:"):
            name = line[5:].strip()
        elif line.startswith("Version:"):
            version = line[8:].strip()
        elif line.startswith("Requires-Dist:") and "extra" in line:
            requires.append(line[14:].strip())
    return name, version, requires


def _distributions() -> list[tuple[str, str, list[str]]]:
    found = []
    for distribution in metadata.distributions():
        try:
            headers = _headers(distribution)
        except (OSError, ValueError):
            # One damaged installation must not hide the others.
            continue
        if headers[0] and headers[1]:
            found.append(headers)
    return found


def _main() -> None:
    # -c puts the working directory in front; a replica does not have it.
    sys.path = [entry for entry in sys.path[1:] if entry]
    info = sys.implementation.version
    markers = {
        "implementation_name": sys.implementation.name,
        "implementation_version": f"{info.major}.{info.minor}.{info.micro}",
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }
    answer = {
        "markers": markers,
        "places": [entry for entry in sys.path if Path(entry).is_dir()],
        "conda": (Path(sys.base_prefix) / "conda-meta").is_dir(),
        "distributions": _distributions(),
    }
    json.dump(answer, sys.stdout)


_main()
