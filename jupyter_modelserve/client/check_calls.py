"""Operations on checks before serving as data, like :mod:`.calls`; both clients send them."""

from __future__ import annotations

from typing import Any

from jupyter_modelserve import names
from jupyter_modelserve.addresses import API
from jupyter_modelserve.checked import Check, CheckRequest, Overrides, VersionChecks
from jupyter_modelserve.client.calls import Call, segment
from jupyter_modelserve.types import from_json, to_json


def _check(body: Any) -> Check:
    return from_json(Check, body["check"])


def _of(model: str, version: str) -> str:
    return f"{API}/models/{segment(names.check_model(model))}/versions/{segment(version)}/check"


def check_version(model: str, version: str, overrides: Overrides | None = None) -> Call[Check]:
    """Start a check of a registered version (REQ-127)."""
    return Call("POST", _of(model, version), _check, json={"overrides": to_json(overrides or Overrides())})


def version_checks(model: str, version: str) -> Call[VersionChecks]:
    """What is known of a version: its latest check, and the latest with overrides."""
    return Call("GET", _of(model, version), lambda body: from_json(VersionChecks, body))


def check_source(asked: CheckRequest) -> Call[Check]:
    """Start a check of a logged model before it is registered."""
    names.check_model(asked.model)
    return Call("POST", f"{API}/checks", _check, json=to_json(asked))


def get(check: str, wait: float = 0.0) -> Call[Check]:
    """One check; the answer waits up to *wait* (at most 20) seconds for its end."""
    query: dict[str, str | int] = {"wait": f"{wait:g}"}
    return Call("GET", f"{API}/checks/{segment(check)}", _check, query)


def cancel(check: str) -> Call[Check]:
    """End a check that nobody waits for."""
    return Call("DELETE", f"{API}/checks/{segment(check)}", _check)
