"""Which workers answer an address: pure functions over a :class:`~jupyter_modelserve.types.RouteTable`.

No clock, no sockets and an injectable random source, so that every case is a line in a test.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from jupyter_modelserve.errors import MethodNotAllowed, NotFound, Unavailable
from jupyter_modelserve.names import STAGES, SegmentKind, canonical_stage, parse_segment
from jupyter_modelserve.types import RouteEntity, RouteModel, RouteTable, RouteTarget, RouteVersion, VersionState

_SHOWN: Final = 10
_REMEMBERED: Final = 256
_RETRY: Final = {VersionState.FAILED: 30, VersionState.UNLOADING: 5, VersionState.BUILDING: 10}
_FORMS: Final = {
    "model": "/model/<name>/<version, stage or alias>/invocations",
    "model-endpoint": "/model-endpoint/<name>/<stage>/invocations",
    "serving-endpoints": "/serving-endpoints/<endpoint>/invocations",
}


Key = tuple[str, str]
"""(model, version), or :func:`own_key`."""


class Random(Protocol):
    """The one call that splitting needs of ``random.Random``."""

    def random(self) -> float:
        """A number in [0, 1)."""


@dataclass(frozen=True, slots=True)
class ScoringAddress:
    """A parsed scoring path. ``name`` is a model, or an endpoint when ``segment`` is ``None``."""

    name: str
    segment: str | None
    stage_only: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: targets of the same version; none while the request must wait.

    It waits for a version that is scaled to zero or, with ``returning``, for what that names, whose process died.
    ``entity`` is what answers by name.
    """

    targets: tuple[RouteTarget, ...]
    model: str
    version: str
    entity: str
    endpoint: str = ""
    returning: Key | None = None


@lru_cache(_REMEMBERED)
def parse(path: str, method: str) -> ScoringAddress:
    """Read a decoded scoring path; one trailing slash is tolerated.

    Raises:
        NotFound: it has another form; the message shows the right one.
        MethodNotAllowed: the method is not POST.
    """
    family, *parts = path.removesuffix("/").split("/")[1:]
    wanted = 2 if family == "serving-endpoints" else 3
    if len(parts) != wanted or parts[-1] != "invocations" or not all(parts):
        raise NotFound(f"there is nothing at this address; scoring is POST {_FORMS[family]}")
    if method != "POST":
        raise MethodNotAllowed("scoring addresses take POST only", details={"allow": ["POST"]})
    if family == "serving-endpoints":
        return ScoringAddress(parts[0], None)
    return ScoringAddress(parts[0], parts[1], stage_only=family == "model-endpoint")


def models_behind(table: RouteTable, address: ScoringAddress) -> tuple[str, ...]:
    """Every model that may answer at an address, whether it is ready or not; none when nothing is there."""
    if address.segment is None:
        return tuple(dict.fromkeys(each.model for each in table.endpoints.get(address.name, ())))
    return (address.name,) if address.name in table.models else ()


def versions_behind(table: RouteTable, address: ScoringAddress) -> frozenset[Key]:
    """Every version that an address may lead to, ready or not, by model and number."""
    if address.segment is None:
        entities = table.endpoints.get(address.name, ())
        return frozenset((each.model, each.version) for each in entities if each.version is not None)
    model = table.models.get(address.name)
    try:
        return frozenset() if model is None else frozenset({(address.name, _version_of(address, model))})
    except NotFound:
        return frozenset()


def resolve(table: RouteTable, address: ScoringAddress, rng: Random, coming: Container[Key] = frozenset()) -> Route:
    """The route of an address; raises what :func:`plan` raises."""
    return split(plan(table, address, coming), rng)


def plan(
    table: RouteTable, address: ScoringAddress, coming: Container[Key] = frozenset()
) -> tuple[tuple[int, Route], ...]:
    """The routes of an address with their weights, at least one: the same for as long as the table is in force.

    *coming* are the versions for which requests wait where nothing else can answer.

    Raises:
        NotFound: unknown model, version, alias, stage or endpoint; the message names what is served instead.
        Unavailable: known, but nothing is ready; the message says why.
    """
    if address.segment is None:
        return _plan_endpoint(table, address.name, coming)
    model = table.models.get(address.name)
    if model is None:
        if (name := table.renamed.get(address.name)) is not None:
            text = f"the model {address.name!r} was renamed to {name!r}; use that name"
            raise NotFound(text, details={"model": address.name, "renamed_to": name})
        served = _listed(table.models, "models")
        raise NotFound(f"no endpoint serves a model named {address.name!r}; {served}", details={"model": address.name})
    version = _version_of(address, model)
    entry, key = model.versions[version], (address.name, version)
    if key in coming and not routed(table, entry):
        return ((1, Route((), *key, address.name, returning=key)),)
    return ((1, Route(_targets(table, address.name, version, entry), *key, address.name)),)


def _version_of(address: ScoringAddress, model: RouteModel) -> str:
    name, text = address.name, address.segment or ""
    segment = parse_segment(name, text)
    if address.stage_only:
        stage = canonical_stage(text)
        if stage is None:
            raise NotFound(f"{text!r} is not a stage; the stages are {', '.join(STAGES)}", details={"model": name})
        return _named(name, "stage", stage, model.stages, model)
    if segment.kind is SegmentKind.VERSION:
        if segment.value not in model.versions:
            text = f"version {segment.value} of {name!r} is not served; {_served(model)}"
            raise NotFound(text, details={"model": name})
        return segment.value
    if segment.kind is SegmentKind.STAGE:
        return _named(name, "stage", segment.value, model.stages, model)
    return _named(name, "alias", segment.value, model.aliases, model)


def _named(name: str, kind: str, value: str, known: dict[str, str], model: RouteModel) -> str:
    version = known.get(value)
    if version is None:
        text = f"no served version of {name!r} has the {kind} {value!r}; {_served(model)}"
        raise NotFound(text, details={"model": name})
    if version not in model.versions:
        raise NotFound(
            f"the {kind} {value!r} of {name!r} names version {version}, which no endpoint serves; {_served(model)}",
            details={"model": name, "version": version},
        )
    return version


def routed(table: RouteTable, entry: RouteVersion) -> tuple[RouteTarget, ...]:
    """The targets of a version that are there."""
    return tuple(table.targets[each] for each in entry.targets if each in table.targets)


def own_key(endpoint: str, entity: RouteEntity) -> Key:
    """What an endpoint itself has of a version, as distinct from what others have of it; also for sentences."""
    return f"{entity.model} at endpoint {endpoint}/{entity.name}", entity.version or ""


def _targets(table: RouteTable, name: str, version: str, entry: RouteVersion) -> tuple[RouteTarget, ...]:
    found = routed(table, entry)
    if found or entry.wakes:
        return found
    why = f": {entry.message}" if entry.message else ""
    raise Unavailable(
        f"version {version} of {name!r} is not ready ({entry.state.value}){why}",
        details={"model": name, "version": version, "state": entry.state.value},
        retry_after_s=_RETRY.get(entry.state, 1),
    )


def _plan_endpoint(table: RouteTable, name: str, coming: Container[Key]) -> tuple[tuple[int, Route], ...]:
    entities = table.endpoints.get(name)
    if entities is None:
        served = _listed(table.endpoints, "endpoints")
        raise NotFound(f"there is no endpoint named {name!r}; {served}", details={"endpoint": name})
    routes = tuple(
        (each.traffic, route) for each in entities if each.traffic > 0 and (route := _try(table, name, each))
    )
    # Others take the share of one that is away; only when nothing else answers does one wait for it.
    routes = routes or tuple(
        (each.traffic, Route((), each.model, each.version, each.name or each.model, name, returning=key))
        for each in entities
        if each.traffic > 0 and each.version and (key := _waited(name, each)) in coming
    )
    if not routes:
        raise _none_ready(table, name, entities)
    return routes


def split(routes: Sequence[tuple[int, Route]], rng: Random) -> Route:
    """One of *routes*, each as often as its weight says."""
    if len(routes) == 1:
        return routes[0][1]
    point = rng.random() * sum(weight for weight, _ in routes)
    for weight, route in routes:
        point -= weight
        if point < 0:
            return route
    return routes[-1][1]


def _waited(endpoint: str, entity: RouteEntity) -> Key:
    return own_key(endpoint, entity) if entity.own is not None else (entity.model, entity.version or "")


def _entry(table: RouteTable, entity: RouteEntity) -> RouteVersion | None:
    """What answers for an entity: the endpoint's own, never what another endpoint has of the same version."""
    model = table.models.get(entity.model)
    if entity.version is None or model is None:
        return None
    return entity.own or model.versions.get(entity.version)


def _try(table: RouteTable, endpoint: str, entity: RouteEntity) -> Route | None:
    entry = _entry(table, entity)
    if entry is None or entity.version is None:
        return None
    try:
        targets = _targets(table, entity.model, entity.version, entry)
    except Unavailable:
        return None
    return Route(targets, entity.model, entity.version, entity.name or entity.model, endpoint)


def _none_ready(table: RouteTable, name: str, entities: Sequence[RouteEntity]) -> Unavailable:
    reasons, waits = [], []
    for each in entities:
        entry = _entry(table, each)
        label = each.name or each.model
        if each.traffic <= 0:
            reasons.append(f"{label} has no traffic")
        elif each.message:
            reasons.append(f"{label}: {each.message}")
        elif entry is None:
            reasons.append(f"{label} has no version to serve yet")
        else:
            why = f" ({entry.message})" if entry.message else ""
            reasons.append(f"{label} version {each.version} is {entry.state.value}{why}")
        if entry is not None:
            waits.append(_RETRY.get(entry.state, 1))
    text = "; ".join(reasons) or "it has no served entities"
    return Unavailable(
        f"endpoint {name!r} is not ready: {text}", details={"endpoint": name}, retry_after_s=min(waits, default=1)
    )


def _served(model: RouteModel) -> str:
    names = sorted(model.versions, key=lambda each: (len(each), each))
    names += [f"@{alias}" for alias, version in sorted(model.aliases.items()) if version in model.versions]
    names += sorted(stage for stage, version in model.stages.items() if version in model.versions and stage != "None")
    return _listed(names, "")


def _listed(names: Iterable[str], what: str) -> str:
    shown = list(names)
    if not shown:
        return f"no {what} are served".replace("  ", " ") if what else "nothing of it is served"
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"served {what + ' ' if what else ''}are {', '.join(shown[:_SHOWN])}{more}"
