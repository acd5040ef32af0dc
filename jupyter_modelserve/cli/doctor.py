"""``doctor``: one line per check, and what to do about it."""

from __future__ import annotations

import argparse
from typing import Final

from jupyter_modelserve.cli.checks import engine, index, machine, sealed, state
from jupyter_modelserve.cli.checks.finding import Check, Finding, Level
from jupyter_modelserve.settings import Paths

CHECKS: Final[tuple[Check, ...]] = (
    state.directory,
    state.file_system,
    state.disk,
    state.sockets,
    state.settings,
    state.database,
    sealed.sealed,
    state.stale,
    machine.daemons,
    machine.port,
    machine.uv,
    machine.interpreters,
    index.index,
    engine.docker,
)


def doctor(_: argparse.Namespace) -> int:
    """Run every check; exit code 1 when one failed."""
    paths = Paths.default()
    findings = [_run(check, paths) for check in CHECKS]
    width = max(len(each.subject) for each in findings)
    for each in findings:
        print(f"{each.level.value:<4}  {each.subject:<{width}}  {each.message}")
        if each.advice:
            print(f"{'':<4}  {'':<{width}}  -> {each.advice}")
    return 1 if any(each.level is Level.FAIL for each in findings) else 0


def _run(check: Check, paths: Paths) -> Finding:
    try:
        return check(paths)
    except Exception as error:  # noqa: BLE001 - see below
        # A check that stumbles is a finding too; the others shall still run.
        return Finding(Level.WARN, check.__name__.replace("_", " "), f"could not be checked ({type(error).__name__})")
