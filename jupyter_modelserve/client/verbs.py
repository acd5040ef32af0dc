"""The Python API behind ``import jupyter_modelserve as ms``: serve, score, models, endpoints, logs, stop, status.

The magics are thin lines over these functions. Each uses the kernel's client (:mod:`.session`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jupyter_modelserve import names
from jupyter_modelserve.client import calls, examples, session, snippets
from jupyter_modelserve.client.progress import summary
from jupyter_modelserve.client.results import EndpointList, InstanceView, ModelList, ServedEndpoint, Text
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.computing import Advice, advise
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.types import (
    Endpoint,
    EndpointSpec,
    EngineChoice,
    Selector,
    SelectorKind,
    ServedEntity,
    WorkloadSize,
)

_FOLLOW_PAUSE = 1.0
_FOLLOW_WINDOW = 10_000


def selector(segment: names.Segment | None) -> Selector:
    """What ``name@alias``, ``name/2``, ``name/Production`` or a bare name (every active version) selects."""
    if segment is None:
        return Selector(SelectorKind.ACTIVE)
    return Selector(SelectorKind(segment.kind.value), segment.value)


def specification(
    reference: str,
    name: str | None = None,
    size: str = "Small",
    replicas: int = 1,
    engine: str | None = None,
    *,
    env: Mapping[str, str] | None = None,
    secrets: Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    scale_to_zero: bool = False,
) -> EndpointSpec:
    """The endpoint that ``serve`` asks for; *secrets* are names.

    Raises:
        InvalidParameter: the reference, the endpoint's name, the size or the engine cannot be used.
    """
    model, segment = names.split_reference(reference)
    sizes = {each.value.lower(): each for each in WorkloadSize}
    if size.lower() not in sizes:
        raise InvalidParameter(f"size {size!r} is unknown; use Small, Medium or Large", details={"field": "size"})
    workload_size = sizes[size.lower()]
    if engine is not None and engine not in list(EngineChoice):
        known = ", ".join(EngineChoice)
        raise InvalidParameter(f"engine {engine!r} is unknown; use one of {known}", details={"field": "engine"})
    chosen = None if engine is None else EngineChoice(engine)
    entity = ServedEntity(
        model=model,
        selector=selector(segment),
        workload_size=workload_size,
        replicas=replicas,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        scale_to_zero=scale_to_zero,
    )
    return EndpointSpec(
        name=names.check_endpoint(name) if name else names.endpoint_for(model),
        entities=(entity,),
        engine=chosen,
        environment_vars=dict(env or {}),
        secrets=tuple(sorted(secrets)),
        tags=dict(tags or {}),
    )


def serve(
    reference: str,
    *,
    name: str | None = None,
    size: str = "Small",
    replicas: int = 1,
    engine: str | None = None,
    env: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
    min_replicas: int | None = None,
    max_replicas: int | None = None,
    scale_to_zero: bool = False,
    wait: bool = True,
    timeout: float = 600.0,
    on_status: Callable[[Endpoint], None] | None = None,
) -> ServedEndpoint:
    """Serve ``model`` (every active version), ``model@alias``, ``model/2`` or ``model/Production``.

    Args:
        reference: the model and what of it.
        name: the endpoint's name; the model's name by default. An existing endpoint is updated without a gap.
        size: Small, Medium or Large: 4, 16 or 64 requests at a time (REQ-169).
        replicas: processes side by side; with two or more a crash or a change costs no request.
        engine: process, docker (one container per environment, without network) or auto; the setting by default.
        env: environment variables of the model's processes (REQ-140); anybody who sees the endpoint reads them.
        secrets: variables whose values nobody reads again: by name, or names alone (and empty values) to keep those set
            before. Take values from where secrets are kept, never from the notebook's text.
        tags: shown with the endpoint; labels of its containers (REQ-049).
        min_replicas: fewest replicas; with *max_replicas* their number follows the load (REQ-132).
        max_replicas: most replicas, however much is asked.
        scale_to_zero: none at all after half an hour without a request; the next one waits for a return (REQ-135).
        wait: return when it answers; otherwise at once.
        timeout: seconds to wait.
        on_status: sees every change of the status while waiting.

    Raises:
        ServingFailed: it cannot be served; NotFound: no such model; DeadlineExceeded: *timeout* is over.
    """
    values = {key: value for key, value in secrets.items() if value} if isinstance(secrets, Mapping) else {}
    spec = specification(
        reference,
        name,
        size,
        replicas,
        engine,
        env=env,
        secrets=secrets,
        tags=tags,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        scale_to_zero=scale_to_zero,
    )
    started = time.monotonic()
    # Before anything changes: what does not exist is said without touching an endpoint that serves.
    expected = session.run(lambda client: _expected(client, spec.entities[0]))
    endpoint = session.run(lambda client: client.put_endpoint(spec, values))
    client = session.current()
    if wait:
        endpoint = client.wait_ready(spec.name, endpoint.generation, timeout, on_status, expected)
    return ServedEndpoint(endpoint, addresses(client, endpoint), time.monotonic() - started)


def _expected(client: Client, entity: ServedEntity) -> tuple[str, str] | None:
    """The version that the selector means now; ``None`` for ``active``, where one of several may fail alone."""
    if entity.selector.kind is SelectorKind.ACTIVE or entity.selector.value is None:
        return None
    segment = names.Segment(names.SegmentKind(entity.selector.kind.value), entity.selector.value)
    return entity.model, examples.pick(client.model(entity.model), segment).version


def addresses(client: Client, endpoint: Endpoint) -> tuple[str, ...]:
    """Full addresses of an endpoint, the one to score first."""
    own = calls.endpoint_path(endpoint.spec.name)
    by_label = [
        calls.scoring_path(entity.model, entity.selector.value)
        for entity in endpoint.spec.entities
        if entity.selector.value
    ]
    known = [*by_label, own, *(url.removeprefix(client.url) for url in endpoint.status.urls)]
    return tuple(dict.fromkeys(client.url + path if path.startswith("/") else path for path in known))


def score(reference: str, data: Any, params: Mapping[str, Any] | None = None) -> Any:
    """Predict *data* with an endpoint or a model; see :meth:`jupyter_modelserve.client.Client.score`."""
    return session.run(lambda client: client.score(reference, data, params))


def example(reference: str) -> Any:
    """The input example of a version as a request body (plain JSON values), cut to one row where it is long.

    Raises:
        InvalidParameter: the version was registered without one. NotFound: nothing is called so.
    """
    return json.loads(session.run(lambda client: examples.body(client, reference)))


def models() -> ModelList:
    """All registered models."""
    return session.run(lambda client: ModelList(client.models()))


def endpoints() -> EndpointList:
    """All endpoints."""
    return session.run(lambda client: EndpointList(client.endpoints()))


def logs(
    endpoint: str, *, model: str | None = None, version: str | None = None, tail: int = 50, merged: bool = False
) -> Text:
    """The last *tail* log lines of every version of an endpoint, optionally of one model or version (REQ-046).

    With *merged* those of all versions and replicas in one, by time, each with replica and version in front (REQ-197).

    Raises:
        NotFound: no such endpoint, or it has no such version.
    """
    if merged:
        found = session.run(lambda client: client.merged_logs(endpoint, model or "", version or "", tail=tail))
        return Text("logs", found.logs.rstrip("\n") or "(the log is empty)", f"{endpoint}, all replicas")
    status = session.run(lambda client: client.endpoint(endpoint)).status
    chosen = [
        (each.model, each.version)
        for each in status.versions
        if (model is None or each.model == model) and (version is None or each.version == version)
    ]
    if not chosen and (model or version):
        raise NotFound(f"endpoint {endpoint} serves no {model or 'model'} version {version or ''}".rstrip())
    client = session.current()
    parts = {f"{name}/{number}": client.logs(endpoint, name, number, tail).rstrip("\n") for name, number in chosen}
    written = [f"--- {label}\n{text}" if len(parts) > 1 else text for label, text in parts.items() if text]
    return Text("logs", "\n".join(written) or "(the log is empty)", ", ".join(parts) or endpoint)


def follow(
    endpoint: str, show: Callable[[str], None], *, model: str = "", version: str = "", replica: str = "", tail: int = 50
) -> None:
    """Hand the merged log of an endpoint to *show*, then what comes, until interrupted.

    Raises:
        NotFound: no such endpoint, version or replica (any more).
    """
    after, pause = "", _FOLLOW_PAUSE
    while True:
        found = session.run(
            lambda client: client.merged_logs(endpoint, model, version, replica, tail, after)  # noqa: B023 - run at once
        )
        if found.logs:
            show(found.logs)
        after, tail = found.next or after, _FOLLOW_WINDOW
        time.sleep(pause)


def size_for(requests_per_second: float, seconds: float) -> Advice:
    """Concurrency, workload size and number of replicas for a load: requests × seconds of a prediction (REQ-133)."""
    return advise(requests_per_second, seconds)


def stop(endpoint: str, *, wait: bool = True, timeout: float = 60.0) -> Text:
    """Stop an endpoint (REQ-195); the model stays registered.

    Raises:
        NotFound: no such endpoint. DeadlineExceeded: requests still run after *timeout* seconds.
    """
    session.run(lambda client: client.delete_endpoint(endpoint))
    if wait:
        session.current().wait_gone(endpoint, timeout)
    return Text(
        "stopped", f"endpoint {endpoint} {'has stopped' if wait else 'is stopping'}; its models stay registered"
    )


def status() -> InstanceView:
    """The instance: address, version and the state of its parts."""
    return session.run(lambda client: InstanceView(client.status()))


def snippet(reference: str, language: str, data: Any = None) -> Text:
    """A ready client for *reference* in ``curl``, ``python`` or ``powerbi`` (REQ-041 to REQ-043, REQ-180).

    The token is named by its file or variable and never shown. Without *data* the model's own input example is sent.
    """
    return session.run(lambda client: snippets.snippet(client, reference, language, data))


__all__ = [
    "endpoints", "example", "follow", "logs", "models", "score", "serve", "size_for", "snippet", "status", "stop",
    "summary",
]  # fmt: skip
