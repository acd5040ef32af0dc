"""Who runs this instance: the principal of the local user."""

from __future__ import annotations

import getpass
import os


def local_user() -> str:
    """The name of the user whose processes these are."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
