"""``check``: would this model serve? For scripts and pipelines: 0 when it passed, 1 when not."""

from __future__ import annotations

import argparse
import json
import sys

from jupyter_modelserve.cli.connection import connect


def check(arguments: argparse.Namespace) -> int:
    """Check a version, or a logged model before it is registered (REQ-125, REQ-127)."""
    from jupyter_modelserve.checked import Check
    from jupyter_modelserve.client import checking, session

    last = ""

    def show(found: Check) -> None:
        nonlocal last
        line = checking.summary(found)
        if line != last:
            print(line, file=sys.stderr, flush=True)
        last = line

    session.use(connect())
    try:
        result = checking.check(
            arguments.model,
            name=arguments.name,
            requirements=arguments.requirement or [],
            remove=arguments.without or [],
            python=arguments.python,
            timeout=arguments.timeout,
            on_change=None if arguments.json else show,
        )
    finally:
        session.use(None)
    print(json.dumps(result.json()) if arguments.json else result.text())
    return 0 if result else 1
