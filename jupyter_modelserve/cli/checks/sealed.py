"""The secrets of endpoints: whether the key file opens them. Otherwise a lost one shows at the next start only."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from jupyter_modelserve.cli.checks.finding import Finding, Level
from jupyter_modelserve.settings import Paths, Settings

_SUBJECT: Final = "secrets"
_SECONDS: Final = 20
_MOST: Final = 5


def sealed(paths: Paths) -> Finding:
    """Every secret opens."""
    if not paths.database.exists():
        return Finding(Level.OK, _SUBJECT, "none")
    # A program of the controller's, which knows how they are sealed: nothing of it may be imported here.
    command = [sys.executable, "-m", "jupyter_modelserve.controller.store.opening", "--home", str(paths.home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    problems: dict[str, str] = json.loads(done.stdout)
    lost = [name for name, problem in problems.items() if problem]
    if not lost:
        return Finding(Level.OK, _SUBJECT, f"{len(problems)} set, and the key opens them" if problems else "none")
    some = ", ".join(lost[:_MOST]) + (", …" if len(lost) > _MOST else "")
    endpoint, _, name = lost[0].partition("/")
    return Finding(
        Level.FAIL,
        _SUBJECT,
        f"{len(lost)} of {len(problems)} cannot be opened ({some}), so no model starts with them: {problems[lost[0]]}",
        f"put {_file(paths)} back, or set them again: jupyter modelserve secret set {endpoint} {name}",
    )


def _file(paths: Paths) -> str:
    return Settings.load(paths.home).secret_key_file or str(paths.secret_key_file)
