"""The blocking client: what notebooks, magics, scripts and the CLI use."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from jupyter_modelserve.client import calls, payload, progress, sse, target, wire
from jupyter_modelserve.client.address import Address, locate
from jupyter_modelserve.client.governance import Governance
from jupyter_modelserve.client.lineage_calls import LineageMethods
from jupyter_modelserve.errors import DeadlineExceeded, ModelServeError, NotFound, NotRunning, Unavailable
from jupyter_modelserve.settings import Paths
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
)

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


class Client(Governance, LineageMethods):
    """Talks to one instance. Safe to use from several threads; close it, or use it in a ``with`` block.

    Every method raises a :class:`~jupyter_modelserve.errors.ModelServeError` of the class that the instance sent;
    ``NotRunning`` when nothing answers.
    """

    def __init__(self, address: Address, *, transport: httpx.BaseTransport | None = None) -> None:
        import httpx

        self.address = address
        self._http = httpx.Client(**wire.options(address), transport=transport)

    @classmethod
    def discover(
        cls, url: str | None = None, token: str | None = None, *, start: bool = True, paths: Paths | None = None
    ) -> Client:
        """Find an instance (arguments, ``MODELSERVE_URL``, the local one); start the local one when *start*.

        Raises:
            NotRunning: none runs and *start* is false.
        """
        return cls(locate(url, token, start=start, paths=paths))

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    @property
    def url(self) -> str:
        """The one address of everything."""
        return self.address.url

    # ------------------------------------------------------------------------------------------------ operations
    def status(self) -> InstanceStatus:
        """Both daemons and the MLflow child."""
        return self.send(calls.status())

    def endpoints(self) -> list[Endpoint]:
        """All endpoints."""
        return self.send(calls.endpoints())

    def endpoint(self, name: str) -> Endpoint:
        """One endpoint; ``NotFound`` when it is unknown."""
        return self.send(calls.endpoint(name))

    def put_endpoint(
        self,
        spec: EndpointSpec,
        secret_values: Mapping[str, str] | None = None,
        *,
        expected: Endpoint | int | None = None,
    ) -> Endpoint:
        """Create or update an endpoint, with new values for secrets; returns at once, see :meth:`wait_ready`.

        With *expected*, the endpoint as it was read or its generation, it raises ``PreconditionFailed`` when somebody
        else changed it since, and changes nothing. 0 expects that there is none.
        """
        return self.send(calls.put_endpoint(spec, secret_values, expected))

    def rehearse_endpoint(self, spec: EndpointSpec, secret_values: Mapping[str, str] | None = None) -> Endpoint:
        """What :meth:`put_endpoint` would make of *spec*; raises what it would raise, and changes nothing.

        The generation is that of now when nothing would change.
        """
        return self.send(calls.rehearse_endpoint(spec, secret_values))

    def put_secret(self, name: str, secret: str, value: str) -> Endpoint:
        """Set a secret of an endpoint; its versions start anew with it, without a gap (REQ-140)."""
        return self.send(calls.put_secret(name, secret, value))

    def delete_secret(self, name: str, secret: str) -> Endpoint:
        """Take a secret away from an endpoint."""
        return self.send(calls.delete_secret(name, secret))

    def rotate_secret_key(self) -> SecretKeyRotation:
        """Seal all secrets under a new key (REQ-140); for who administers the instance."""
        return self.send(calls.rotate_secret_key())

    def delete_endpoint(self, name: str, *, expected: Endpoint | int | None = None) -> Endpoint:
        """Stop and forget an endpoint; returns at once, see :meth:`wait_gone`.

        *expected* as for :meth:`put_endpoint`.
        """
        return self.send(calls.delete_endpoint(name, expected))

    def events(self, name: str, after: int = 0) -> list[Event]:
        """The events of an endpoint with a number above *after*."""
        return self.send(calls.events(name, after))

    def logs(self, name: str, model: str, version: str, tail: int = 200) -> str:
        """The last *tail* log lines of one version that an endpoint serves."""
        return self.send(calls.logs(name, model, version, tail))

    def merged_logs(
        self, name: str, model: str = "", version: str = "", replica: str = "", tail: int = 200, after: str = ""
    ) -> MergedLog:
        """The last *tail* lines of all versions and replicas by time; *after* is ``next`` of an earlier answer."""
        return self.send(calls.merged_logs(name, model, version, replica, tail, after))

    def models(self) -> list[Model]:
        """All registered models."""
        return self.send(calls.models())

    def model(self, name: str) -> Model:
        """One registered model with its versions; ``NotFound`` when it is unknown."""
        return self.send(calls.model(name))

    def detail(self, model: str, version: str) -> dict[str, Any]:
        """One version with its ``signature``, ``example`` (a request body), requirements and files."""
        return self.send(calls.detail(model, version))

    def metrics(self) -> str:
        """The gateway's counters in Prometheus' text format."""
        response = self._request(method="GET", url="/metrics")
        wire.check(response)
        return response.text

    def add_interpreter(self, path: str) -> dict[str, str]:
        """Tell the instance which interpreter registers models (a candidate to borrow)."""
        return self.send(calls.add_interpreter(path))

    def tokens(self) -> list[TokenInfo]:
        """The caller's tokens without their secrets."""
        return self.send(calls.tokens())

    def create_token(
        self,
        comment: str = "",
        lifetime: int | None = None,
        scopes: tuple[str, ...] = ("all",),
        principal: str = "",
    ) -> tuple[str, TokenInfo]:
        """Make a token that lives *lifetime* seconds (``None``: until revoked); returns the secret and its record.

        An admin may name another *principal*, above all a service principal (REQ-021).
        """
        return self.send(calls.create_token(comment, lifetime, scopes, principal))

    def delete_token(self, token_id: str) -> None:
        """Revoke a token."""
        self.send(calls.delete_token(token_id))

    # ------------------------------------------------------------------------------------------------ scoring
    def score(self, reference: str, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Predict *data* with an endpoint or ``model@alias``, ``model/2``, ``model/Production``.

        *data*: DataFrame, Series, ndarray (any shape), dict of arrays, record(s), nested lists or a scalar; a dict
        with a key such as ``dataframe_split`` is sent as it is. Large data goes in chunks below 16 MiB.

        Returns:
            A DataFrame (index kept) when the model answers with records, an ndarray of one value per row otherwise.

        Raises:
            NotFound: no such endpoint or model. InvalidParameter: the data does not fit; names row and column.
        """
        rows = payload.prepare(data, params)
        answers = [self.invoke(reference, body).predictions for body in payload.bodies(rows)]
        return payload.present(payload.join(answers), rows)

    def invoke(
        self, reference: str, content: bytes | str, content_type: str = "application/json", *, accept: str | None = None
    ) -> wire.Answer:
        """Send a body as it is (any dialect, CSV or parquet by *content_type*); returns it raw, with who answered.

        Raises:
            InvalidParameter: *content* is neither bytes nor text; :meth:`score` takes other data.
        """
        body, found = payload.raw(content), target.parse(reference)
        if found.segment is not None or target.could_be_endpoint(found.name):
            try:
                return self._post(found.path, body, content_type, accept)
            except NotFound:
                if found.segment is not None:
                    raise
        return self._post(self.path_of(reference), body, content_type, accept)

    def path_of(self, reference: str) -> str:
        """The scoring path behind *reference*, looked up where the name alone does not tell."""
        found = target.parse(reference)
        if found.segment is not None:
            return found.path
        endpoints = self.endpoints()
        if any(each.spec.name == found.name for each in endpoints):
            return calls.endpoint_path(found.name)
        return target.among(found.name, endpoints, self.models())

    def _post(self, path: str, content: bytes, content_type: str, accept: str | None) -> wire.Answer:
        headers = {"content-type": content_type} | ({"accept": accept} if accept else {})
        response = self._request(method="POST", url=path, content=content, headers=headers, timeout=wire.SCORE_SECONDS)
        return wire.answer(response)

    # ------------------------------------------------------------------------------------------------ waiting
    def wait_ready(
        self,
        name: str,
        generation: int = 0,
        timeout: float = 600.0,
        on_status: Callable[[Endpoint], None] | None = None,
        expected: tuple[str, str] | None = None,
    ) -> Endpoint:
        """Wait until *generation* (0: the newest) of an endpoint serves; *on_status* sees every change.

        With *expected* (model, version) until this version answers, which is what matters after an alias has moved.

        Raises:
            ServingFailed: it cannot be served; cause, message and hint are in ``details``.
            DeadlineExceeded: *timeout* seconds passed; the endpoint goes on starting.
        """
        deadline = time.monotonic() + timeout
        last: Endpoint | None = None
        for endpoint in self._follow(name, deadline):
            if on_status and endpoint != last:
                on_status(endpoint)
            last = endpoint
            outcome = progress.judge(endpoint, generation, expected)
            if outcome is progress.Outcome.READY:
                return endpoint
            if outcome is progress.Outcome.FAILED:
                raise progress.failure(endpoint)
        state = f": {progress.summary(last)}" if last else ""
        raise DeadlineExceeded(f"endpoint {name} is not ready after {timeout:g} s{state}; it goes on starting")

    def wait_gone(self, name: str, timeout: float = 60.0) -> None:
        """Wait until a deleted endpoint has stopped.

        Raises:
            DeadlineExceeded: it still exists after *timeout* seconds.
        """
        deadline = time.monotonic() + timeout
        try:
            for _ in self._follow(name, deadline):
                pass
        except NotFound:
            return
        raise DeadlineExceeded(f"endpoint {name} has not stopped after {timeout:g} s; requests may still be running")

    def _follow(self, name: str, deadline: float) -> Iterator[Endpoint]:
        """Statuses of an endpoint until *deadline*: from the event stream, or polled where there is none."""
        lost = 0.0
        while time.monotonic() < deadline:
            pause = 0.3
            try:
                yield self.endpoint(name)
                yield from self._stream(name, deadline)
                lost = 0.0
            except Unavailable as error:
                lost = lost or time.monotonic()
                if isinstance(error, NotRunning) and time.monotonic() - lost > wire.GONE_SECONDS:
                    raise
                pause = min(float(error.retry_after_s or 1), 5.0)
            except DeadlineExceeded:
                pause = 0.0
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))

    def _stream(self, name: str, deadline: float) -> Iterator[Endpoint]:
        import httpx

        call, parser = calls.events(name), sse.Parser()
        limits = httpx.Timeout(max(0.1, min(15.0, deadline - time.monotonic())), connect=wire.CONNECT_SECONDS)
        try:
            with self._http.stream("GET", call.path, headers=wire.STREAM, timeout=limits) as response:
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    return
                for line in response.iter_lines():
                    message = parser.feed(line)
                    if message and message.kind == "status":
                        yield from_json(Endpoint, json.loads(message.data))
                    if time.monotonic() > deadline:
                        return
        except httpx.HTTPError:
            return

    # ------------------------------------------------------------------------------------------------ sending
    def send(self, call: calls.Call[T]) -> T:
        """Send any call of :mod:`.calls`; raises the exception that the instance answered with."""
        return wire.read(call, self._request(**wire.arguments(call)))

    def _request(self, **arguments: Any) -> httpx.Response:
        import httpx

        try:
            return self._http.request(**arguments)
        except httpx.HTTPError as error:
            failure: ModelServeError = wire.translate(error, self.address)
        raise failure
