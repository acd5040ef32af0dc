"""Who asks, for what the instance writes down: under a hub the daemons' own user says little (all are ``jovyan``).

The name gives no rights: the instance's token does, and the name is only written beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

HEADER: Final = "x-modelserve-on-behalf-of"
LONGEST: Final = 200
_RANDOM: Final = re.compile(r"[0-9a-f]{32}|anonymous|")


def person(user: Any, environ: Mapping[str, str] | None = None) -> str:
    """The name by which Jupyter knows *user*; else the one for whom a hub started this server; else nothing.

    A server with one token for everybody makes up a user for each caller, and such a name tells nobody anything.
    """
    environ = os.environ if environ is None else environ
    name = str(getattr(user, "username", "") or "")
    made_up = str(getattr(user, "name", "") or "").startswith("Anonymous ")
    if _RANDOM.fullmatch(name) and (made_up or name in {"", "anonymous"}):
        name = environ.get("JUPYTERHUB_USER", "")
    return name[:LONGEST]
