"""The request and response layer under both clients: headers, time-outs, and errors rebuilt as exceptions.

httpx is imported on first use: it costs 0.1 s, which ``import jupyter_modelserve`` must not pay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jupyter_modelserve.client.address import HOW_TO_START, Address
from jupyter_modelserve.client.calls import Call
from jupyter_modelserve.errors import BadGateway, DeadlineExceeded, ModelServeError, NotRunning, Unavailable, from_body

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

STREAM: Final = {"accept": "text/event-stream"}
CONNECT_SECONDS: Final = 5.0
GONE_SECONDS: Final = 20.0
"""The daemons restart each other within seconds; after this an instance that does not answer has ended."""
ANSWER_SECONDS: Final = 40.0
"""Longer than the 30 s for which requests are held while the controller wakes."""
SCORE_SECONDS: Final = 180.0
"""Longer than the server's own time-out (REQ-130: 120 s), so that its 504 arrives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A scoring answer as it came: status 200, raw body, and who answered."""

    content: bytes
    content_type: str
    model: str
    version: str
    format: str
    request_id: str
    warning: str = ""

    def json(self) -> Any:
        """The body as JSON values."""
        return json.loads(self.content)

    @property
    def predictions(self) -> Any:
        """``predictions`` of a 2.x answer, or the bare list of a 1.x answer (REQ-043)."""
        body = self.json()
        return body["predictions"] if isinstance(body, dict) and "predictions" in body else body


def options(address: Address) -> dict[str, Any]:
    """Arguments for ``httpx.Client`` and ``httpx.AsyncClient``; proxies never see loopback traffic."""
    import httpx

    return {
        "base_url": address.url,
        "headers": {"authorization": f"Bearer {address.token}", "user-agent": "jupyter-modelserve"},
        "timeout": httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        "trust_env": not address.loopback,
        "verify": address.url.startswith("https:"),
        "follow_redirects": False,
    }


def arguments(call: Call[Any]) -> dict[str, Any]:
    """Arguments for ``request`` of an httpx client."""
    found: dict[str, Any] = {"method": call.method, "url": call.path}
    if call.query:
        found["params"] = dict(call.query)
    if call.json is not None:
        found["json"] = call.json
    if call.headers:
        found["headers"] = dict(call.headers)
    return found


def read(call: Call[T], response: httpx.Response) -> T:
    """The result of *call*, or the exception that the server sent.

    Raises:
        ModelServeError: the class that fits ``error_code``; ``details["request_id"]`` can be quoted.
    """
    check(response)
    if response.status_code == 204 or not response.content:
        return call.read(None)
    try:
        body = response.json()
    except ValueError as error:
        raise BadGateway("the address answered something that is no JSON; is it a model serving instance?") from error
    try:
        return call.read(body)
    except (KeyError, TypeError) as error:
        raise BadGateway("the instance answered in an unknown shape; are versions mixed?") from error


def check(response: httpx.Response) -> None:
    """Raise the exception that an error response stands for."""
    if response.status_code < 400:
        return
    raise rebuild(response.status_code, response.content, response.headers)


def rebuild(status: int, content: bytes, headers: Mapping[str, str]) -> ModelServeError:
    """The exception for an error body; ``Retry-After`` and ``x-request-id`` are kept."""
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    body.setdefault("message", f"the instance answered HTTP {status}")
    if headers.get("x-request-id"):
        body.setdefault("request_id", headers["x-request-id"])
    error = from_body(status, body)
    wait = headers.get("retry-after", "")
    error.retry_after_s = int(wait) if wait.isdigit() else None
    return error


def translate(error: httpx.HTTPError, address: Address) -> ModelServeError:
    """One of our exceptions for a failure below HTTP; the message names the address and what to do."""
    import httpx

    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        hint = HOW_TO_START if address.local or address.loopback else "check MODELSERVE_URL and the network"
        return NotRunning(f"nothing answers at {address.url}; {hint}")
    if isinstance(error, httpx.TimeoutException):
        return DeadlineExceeded(f"{address.url} did not answer in time; see `jupyter modelserve status`")
    return Unavailable(f"the connection to {address.url} broke ({type(error).__name__}); try again")


def answer(response: httpx.Response) -> Answer:
    """A scoring answer, or the exception that the server sent."""
    check(response)
    headers = response.headers
    return Answer(
        content=response.content,
        content_type=headers.get("content-type", ""),
        model=headers.get("x-modelserve-model", ""),
        version=headers.get("x-modelserve-version", ""),
        format=headers.get("x-modelserve-format", ""),
        request_id=headers.get("x-request-id", ""),
        warning=headers.get("warning", ""),
    )
