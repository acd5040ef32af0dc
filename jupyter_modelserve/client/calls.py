"""Every operation of our API as data: what to send and how to read the answer.

The sync and the async client only differ in how they send a :class:`Call`, so that they cannot drift apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeAlias, TypeVar
from urllib.parse import quote

from jupyter_modelserve import names
from jupyter_modelserve.addresses import API
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import (
    Endpoint,
    EndpointSpec,
    Event,
    InstanceStatus,
    MergedLog,
    Model,
    SecretKeyRotation,
    TokenInfo,
    from_json,
    to_json,
)

T = TypeVar("T")
Expected: TypeAlias = Endpoint | int | None
"""The endpoint as it was read, or its generation: a change counts only while it is that. 0: only while there is none.
``None``: whatever it is."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. ``path`` is percent-encoded; ``read`` turns the answer's JSON into the result."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, str | int] = field(default_factory=dict)
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def segment(text: str) -> str:
    """*text* as one URL segment."""
    return quote(text, safe="")


def status() -> Call[InstanceStatus]:
    """Both daemons and the MLflow child."""
    return Call("GET", f"{API}/status", lambda body: from_json(InstanceStatus, body))


def endpoints() -> Call[list[Endpoint]]:
    """All endpoints."""
    return Call("GET", f"{API}/endpoints", lambda body: [from_json(Endpoint, each) for each in body["endpoints"]])


def _endpoint(body: Any) -> Endpoint:
    return from_json(Endpoint, body)


def endpoint(name: str) -> Call[Endpoint]:
    """One endpoint; 404 when it is unknown."""
    return Call("GET", f"{API}/endpoints/{segment(names.check_endpoint(name))}", _endpoint)


def _unchanged(expected: Expected) -> dict[str, str]:
    """Headers that make a change count only while the endpoint is what *expected* says."""
    if expected is None:
        return {}
    if expected == 0:
        return {"if-none-match": "*"}
    tag = expected if isinstance(expected, int) else f"{expected.generation}-{expected.created_at}"
    return {"if-match": f'"{tag}"'}


def check_numbers(value: Any, path: str = "") -> None:
    """See that JSON can say it: there is no infinity in it. Raises InvalidParameter, which names the field."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidParameter(f"{path}: must be a finite number", details={"field": path})
    if isinstance(value, (dict, list)):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            check_numbers(each, f"{path}.{name}" if path else str(name))


def put_endpoint(
    spec: EndpointSpec, secret_values: Mapping[str, str] | None = None, expected: Expected = None
) -> Call[Endpoint]:
    """Create or update an endpoint, with new values for secrets. Raises InvalidParameter for an infinite number."""
    values = to_json(spec)
    check_numbers(values)
    body = values | ({"secret_values": dict(secret_values)} if secret_values else {})
    path = f"{API}/endpoints/{segment(names.check_endpoint(spec.name))}"
    return Call("PUT", path, _endpoint, json=body, headers=_unchanged(expected))


def rehearse_endpoint(spec: EndpointSpec, secret_values: Mapping[str, str] | None = None) -> Call[Endpoint]:
    """Check what :func:`put_endpoint` would do; nothing is stored."""
    call = put_endpoint(spec, secret_values)
    return replace(call, query={"dry_run": "true"})


def put_secret(name: str, secret: str, value: str) -> Call[Endpoint]:
    """Set one secret of an endpoint."""
    path = f"{API}/endpoints/{segment(names.check_endpoint(name))}/secrets/{segment(secret)}"
    return Call("PUT", path, _endpoint, json={"value": value})


def delete_secret(name: str, secret: str) -> Call[Endpoint]:
    """Take one secret of an endpoint away."""
    return Call("DELETE", f"{API}/endpoints/{segment(names.check_endpoint(name))}/secrets/{segment(secret)}", _endpoint)


def rotate_secret_key() -> Call[SecretKeyRotation]:
    """Seal all secrets under a new key."""
    return Call("POST", f"{API}/secret-key/rotate", lambda body: from_json(SecretKeyRotation, body))


def delete_endpoint(name: str, expected: Expected = None) -> Call[Endpoint]:
    """Stop and forget an endpoint."""
    path = f"{API}/endpoints/{segment(names.check_endpoint(name))}"
    return Call("DELETE", path, _endpoint, headers=_unchanged(expected))


def events(name: str, after: int = 0) -> Call[list[Event]]:
    """The events of an endpoint with a number above *after*."""
    return Call(
        "GET",
        f"{API}/endpoints/{segment(names.check_endpoint(name))}/events",
        lambda body: [from_json(Event, each) for each in body["events"]],
        query={"after": after},
    )


def logs(name: str, model: str, version: str, tail: int = 200) -> Call[str]:
    """The last *tail* log lines of one version."""
    query: dict[str, str | int] = {"model": model, "version": version, "tail": tail}
    path = f"{API}/endpoints/{segment(names.check_endpoint(name))}/logs"
    return Call("GET", path, lambda body: str(body["logs"]), query=query)


def merged_logs(
    name: str, model: str = "", version: str = "", replica: str = "", tail: int = 200, after: str = ""
) -> Call[MergedLog]:
    """The last *tail* lines of all versions and replicas (or those named) by time, behind the cursor *after*."""
    wanted = {"model": model, "version": version, "replica": replica, "after": after}
    query: dict[str, str | int] = {key: value for key, value in wanted.items() if value} | {"tail": tail}
    path = f"{API}/endpoints/{segment(names.check_endpoint(name))}/logs"
    return Call("GET", path, lambda body: from_json(MergedLog, body), query=query)


def models() -> Call[list[Model]]:
    """All registered models."""
    return Call("GET", f"{API}/models", lambda body: [from_json(Model, each) for each in body["models"]])


def model(name: str) -> Call[Model]:
    """One registered model with its versions."""
    return Call("GET", f"{API}/models/{segment(names.check_model(name))}", lambda body: from_json(Model, body))


def detail(model: str, version: str) -> Call[dict[str, Any]]:
    """One version with signature, input example and files."""
    return Call("GET", f"{API}/models/{segment(names.check_model(model))}/versions/{segment(version)}", dict)


def add_interpreter(path: str) -> Call[dict[str, str]]:
    """Tell the instance which interpreter registers models (a candidate to borrow)."""
    return Call("POST", f"{API}/interpreters", lambda body: dict(body), json={"path": path})


def tokens() -> Call[list[TokenInfo]]:
    """The caller's tokens without their secrets."""
    return Call("GET", f"{API}/tokens", lambda body: [from_json(TokenInfo, each) for each in body["tokens"]])


def create_token(
    comment: str, lifetime: int | None, scopes: tuple[str, ...], principal: str = ""
) -> Call[tuple[str, TokenInfo]]:
    """Make a token; its secret is in the answer and nowhere else."""
    return Call(
        "POST",
        f"{API}/tokens",
        lambda body: (str(body["token"]), from_json(TokenInfo, body["info"])),
        json={"comment": comment, "lifetime": lifetime, "scopes": list(scopes)}
        | ({"principal": principal} if principal else {}),
    )


def delete_token(token_id: str) -> Call[None]:
    """Revoke a token."""
    return Call("DELETE", f"{API}/tokens/{segment(token_id)}", lambda _: None)


def scoring_path(model_name: str, part: str) -> str:
    """``/model/<name>/<version, stage or alias>/invocations`` (REQ-015, 016)."""
    return f"/model/{segment(model_name)}/{segment(part)}/invocations"


def endpoint_path(name: str) -> str:
    """``/serving-endpoints/<endpoint>/invocations``."""
    return f"/serving-endpoints/{segment(name)}/invocations"
