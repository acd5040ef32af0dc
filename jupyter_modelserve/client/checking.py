"""``ms.check``: would this version serve? Run in a clean environment by the instance, before anything is served.

Also what ``register(check=True)`` does between logging a model and making a version of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jupyter_modelserve import names
from jupyter_modelserve.checked import Check, CheckRequest, CheckState, Overrides
from jupyter_modelserve.client import check_calls, examples, session
from jupyter_modelserve.client.calls import Call
from jupyter_modelserve.client.display import Rich, escape, html_table
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import DeadlineExceeded, InvalidParameter, ModelServeError, Unavailable
from jupyter_modelserve.types import to_json

TIMEOUT: Final = 3600.0
_LOOK: Final = 2.0
_TAIL: Final = 15


class CheckFailed(ModelServeError):
    """The model would not serve, and nothing was registered; ``details["check"]`` is the whole check."""

    status = 409
    error_code = "CHECK_FAILED"


@dataclass(frozen=True, repr=False)
class CheckResult(Rich):
    """What a check found; true when it passed."""

    check: Check

    def __bool__(self) -> bool:
        """Whether the model would serve."""
        return self.check.state is CheckState.PASSED

    @property
    def subject(self) -> str:
        """What was checked, for people."""
        check = self.check
        return f"{check.model} version {check.version}" if check.version else f"{check.source} (for {check.model})"

    @property
    def logged_model(self) -> str:
        """``models:/m-…`` or ``runs:/…`` of the model, whose requirements may be changed; empty when unknown."""
        source = self.check.source
        return source if source.startswith(("models:/m-", "runs:/")) else ""

    def fixes(self) -> tuple[str, ...]:
        """What to do next, as lines of Python; empty when there is nothing to mend."""
        check, uri = self.check, self.logged_model or "models:/m-…"
        if check.state is CheckState.PASSED and check.overrides:
            return _updates(uri, check.overrides)
        if check.state is CheckState.FAILED and check.missing:
            wanted = _written([*check.overrides.requirements, *check.missing])
            target = f"{check.model}/{check.version}" if check.version else uri
            name = "" if check.version else f", name={check.model!r}"
            trial = f"ms.check({target!r}{name}, requirements={wanted})   # try it without changing the model"
            return trial, *_updates(uri, Overrides(check.missing))
        return ()

    def headline(self) -> str:
        """One line: what, verdict, how long, where."""
        check = self.check
        tried = f" with {_described(check.overrides)}" if check.overrides else ""
        where = ""
        if check.environment:
            where = f" (Python {check.environment.python_version}, environment {check.environment.key[:12]})"
        cause = f": {check.failure.cause}: {check.failure.message}" if check.failure else ""
        return f"{self.subject}{tried} {check.state} in {check.seconds:.1f} s{where}{cause}"

    def _notes(self) -> list[str]:
        hint = self.check.failure.hint if self.check.failure else ""
        return [*([f"hint: {hint}"] if hint else []), *(f"warning: {each}" for each in self.check.warnings)]

    def text(self) -> str:
        """Verdict, hint, what to try next, and after a failure the last lines of the log."""
        lines = [self.headline(), *self._notes(), *self.fixes()]
        if self.check.failure and self.check.log:
            lines += ["--- log", *self.check.log.splitlines()[-_TAIL:]]
        return "\n".join(lines)

    def html(self) -> str:
        """The same with the phases as a table."""
        notes = "".join(f"<div>{escape(each)}</div>" for each in self._notes())
        fixes = "".join(f"<pre>{escape(each)}</pre>" for each in self.fixes())
        rows = [(each.name, f"{each.seconds:.1f} s", each.detail) for each in self.check.phases]
        table = html_table(("phase", "took", "last step"), rows) if rows else ""
        log = f"<details><summary>log</summary><pre>{escape(self.check.log)}</pre></details>" if self.check.log else ""
        return f"<div><b>{escape(self.headline())}</b>{notes}{fixes}{table}{log}</div>"

    def json(self) -> dict[str, Any]:
        """The whole check."""
        return {"kind": "check", "passed": bool(self), "fixes": list(self.fixes()), **to_json(self.check)}


def _updates(uri: str, overrides: Overrides) -> tuple[str, ...]:
    lines = []
    if overrides.requirements:
        lines.append(f"mlflow.models.update_model_requirements({uri!r}, 'add', {_written(overrides.requirements)})")
    if overrides.remove:
        lines.append(f"mlflow.models.update_model_requirements({uri!r}, 'remove', {_written(overrides.remove)})")
    if overrides.python:
        lines.append(f"# Python is part of the logged model: log it with Python {overrides.python}")
    if lines:
        lines[-1] += f"   # then register {uri} (again)"
    return tuple(lines)


def _written(requirements: Sequence[str]) -> str:
    return repr(list(requirements))


def _described(overrides: Overrides) -> str:
    parts = [*overrides.requirements, *(f"no {each}" for each in overrides.remove)]
    return ", ".join([*parts, *([f"Python {overrides.python}"] if overrides.python else [])])


def check(
    reference: str,
    *,
    name: str | None = None,
    requirements: Sequence[str] = (),
    remove: Sequence[str] = (),
    python: str | None = None,
    timeout: float = TIMEOUT,
    on_change: Callable[[Check], None] | None = None,
) -> CheckResult:
    """Run a model in a clean environment, let it predict its input example, and judge the answer (REQ-125, REQ-127).

    Args:
        reference: ``iris/3``, ``iris@Champion`` or ``iris`` (the newest version); or a logged model that is not
            registered yet: ``models:/m-…`` or ``runs:/…``, with *name*.
        name: the model that the logged one shall become a version of.
        requirements: tried instead of those of the same name, or in addition; the model is not changed.
        remove: names of requirements to leave out. python: another version, for instance ``3.10``.
        timeout: seconds to wait for the verdict.
        on_change: sees the check while it runs.

    Raises:
        NotFound: no such model. PermissionDenied: EXECUTE on it (before registration: CREATE MODEL VERSION) is missing,
            or for *requirements*, *remove* and *python* CREATE MODEL VERSION or MANAGE.
        TooManyRequests: five checks of yours run or wait already, or too many of all.
        DeadlineExceeded: no verdict after *timeout* seconds; the check is ended.
    """
    overrides = Overrides(tuple(requirements), tuple(remove), python or "")
    return follow(_start(reference, name, overrides), timeout, on_change)


def _start(reference: str, name: str | None, overrides: Overrides) -> Call[Check]:
    if reference.startswith(("runs:/", "models:/m-")):
        if not name:
            raise InvalidParameter("which model shall it become a version of? give name=…", details={"field": "name"})
        return check_calls.check_source(CheckRequest(name, reference, overrides))
    model, segment = names.split_reference(reference.removeprefix("models:/"))
    version = session.run(lambda client: examples.pick(client.model(model), segment)).version
    return check_calls.check_version(model, version, overrides)


def follow(call: Call[Check], timeout: float, on_change: Callable[[Check], None] | None = None) -> CheckResult:
    """Start a check and wait for its end; interrupted or too late, the check is ended as well.

    Raises:
        DeadlineExceeded: *timeout* seconds passed.
    """
    deadline = time.monotonic() + timeout
    found = session.run(lambda client: client.send(call))
    try:
        while found.state is CheckState.RUNNING:
            if on_change:
                on_change(found)
            found = _look(session.current(), found, _left(deadline, found, timeout))
    except BaseException:
        _end(found.id)
        raise
    if on_change:
        on_change(found)
    return CheckResult(found)


def _left(deadline: float, found: Check, timeout: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded(f"the check of {found.model} has no verdict after {timeout:g} s; it was ended")
    return min(left, _LOOK)


def _look(client: Client, found: Check, wait: float) -> Check:
    try:
        return client.send(check_calls.get(found.id, wait))
    except Unavailable as error:
        # The controller wakes again; a check that it knew is then unknown, which is said as such.
        time.sleep(min(wait, float(error.retry_after_s or 1)))
        return found


def _end(check: str) -> None:
    from contextlib import suppress

    with suppress(ModelServeError):
        session.current().send(check_calls.cancel(check))


def summary(found: Check) -> str:
    """One line while it runs, changing only when something changed."""
    running = found.state is CheckState.RUNNING
    phase = next((each for each in found.phases if running and not each.done), None)
    where = f" ({phase.name}{': ' + phase.detail if phase.detail else ''})" if phase else ""
    return f"check of {found.model}{' ' + found.version if found.version else ''}: {found.state}{where}"


def refuse(result: CheckResult) -> CheckFailed:
    """The exception of a registration that a failed check ended."""
    found = result.check
    cause = f"{found.failure.cause}: {found.failure.message}" if found.failure else str(found.state)
    hint = "\n".join(each for each in (found.failure.hint if found.failure else "", *result.fixes()) if each)
    kept = f"; the logged model is {result.logged_model}" if result.logged_model else ""
    return CheckFailed(
        f"{found.model}: the check failed, so no version was made: {cause}{kept}",
        details={"hint": hint, "check": to_json(found)},
    )
