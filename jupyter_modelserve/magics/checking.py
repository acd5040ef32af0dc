"""``%check``: would this model serve? And what a registration with ``--check`` shows while it waits."""

from __future__ import annotations

import time
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, magics_class

from jupyter_modelserve.checked import Check
from jupyter_modelserve.client import checking
from jupyter_modelserve.client.checking import CheckResult
from jupyter_modelserve.magics import values
from jupyter_modelserve.magics.arguments import argument, line_magic, magic_arguments, parse_argstring
from jupyter_modelserve.magics.failure import short_errors


class Lines:
    """Prints a line whenever the check has moved on."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._last = ""

    def show(self, check: Check) -> None:
        """Give it as ``on_change`` or ``on_check``."""
        line = checking.summary(check)
        if line != self._last:
            elapsed = time.monotonic() - self._started
            print(f"[{elapsed:5.1f} s] {line}", flush=True)  # noqa: T201 - the cell's output is where this belongs
        self._last = line


@magics_class
class CheckMagics(Magics):
    """Try a model before it is served."""

    shell: Any

    @magic_arguments()
    @argument("reference", help="iris/3, iris@Champion, iris (the newest), or a logged model: models:/m-… or runs:/…")
    @argument("--name", help="For a logged model: the model that it shall become a version of.")
    @argument("--requirement", action="append", help="Tried instead of the model's own, or as well; may be repeated.")
    @argument("--without", action="append", help="Name of a requirement to leave out; may be repeated.")
    @argument("--python", help="Try another Python, for instance 3.10.")
    @argument("--apply", action="store_true", help="When it passes, write the requirements into the logged model.")
    @argument("--timeout", type=float, default=checking.TIMEOUT, help="Seconds to wait.")
    @line_magic
    @short_errors
    def check(self, line: str) -> CheckResult:
        """Run a model in a clean environment and let it predict its input example; nothing is changed or served.

        %check iris/3 --requirement scikit-learn==1.5.0
        """
        found = parse_argstring(self.check, line)
        wanted = [values.unquote(each) for each in found.requirement or []]
        removed = [values.unquote(each) for each in found.without or []]
        if found.apply and (found.python or not (wanted or removed)):
            raise UsageError("--apply writes requirements: give --requirement or --without, and no --python")
        result = checking.check(
            values.unquote(found.reference),
            name=values.unquote(found.name) if found.name else None,
            requirements=wanted,
            remove=removed,
            python=found.python,
            timeout=found.timeout,
            on_change=Lines().show,
        )
        if found.apply and result:
            from jupyter_modelserve.authoring.checks import update_requirements

            print(update_requirements(result.logged_model or result.check.source, wanted, removed))  # noqa: T201
        return result
