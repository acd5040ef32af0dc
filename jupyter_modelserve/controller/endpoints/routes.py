"""From what each endpoint routes to the one numbered table that the gateway works from. Pure, except for the book.

Several endpoints may serve one model: their workers for a version are targets side by side; names are taken from the
endpoint that was created first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from jupyter_modelserve.controller.endpoints.view import Key, Label, LabelKind, Routed, Worker
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import (
    EndpointSpec,
    RouteEntity,
    RouteModel,
    RouteTable,
    RouteTarget,
    RouteVersion,
    VersionState,
)


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one endpoint brings to the table. ``versions`` holds every version it serves or prepares."""

    entities: tuple[RouteEntity, ...] = ()
    targets: Mapping[str, RouteTarget] = field(default_factory=dict)
    versions: Mapping[Key, RouteVersion] = field(default_factory=dict)
    labels: Mapping[Label, Key] = field(default_factory=dict)


def contribute(
    spec: EndpointSpec,
    routed: Routed,
    workers: Mapping[str, Worker],
    states: Mapping[Key, tuple[VersionState, str]],
    settings: Settings,
    messages: Mapping[str, str],
) -> Contribution:
    """Turn the planner's choice into routes.

    Args:
        spec: gives traffic shares and limits.
        routed: the planner's choice.
        workers: by id; those that *routed* names have an address and a key.
        states: every wanted version with its state and, when it failed, the sentence for callers.
        settings: defaults of the limits.
        messages: by entity: why it has no version.
    """
    targets: dict[str, RouteTarget] = {}
    concurrency = max((entity.workload_size.concurrency for entity in spec.entities), default=1)
    for worker_id in (each for group in routed.workers.values() for each in group):
        worker = workers[worker_id]
        targets[worker_id] = RouteTarget(
            id=worker_id,
            model=worker.model,
            version=worker.version,
            address=worker.address,
            key=worker.key,
            concurrency=concurrency,
            queue=settings.queue_per_worker,
            timeout=spec.request_timeout or settings.request_timeout,
        )
    versions = {key: RouteVersion(state, (), message) for key, (state, message) in states.items()}
    for key, group in routed.workers.items():
        versions[key] = RouteVersion(VersionState.READY, group)
    entities = tuple(
        RouteEntity(
            name=entity.name,
            model=entity.model,
            version=routed.entities[entity.name][1] if entity.name in routed.entities else None,
            traffic=entity.traffic,
            message=messages.get(entity.name, ""),
        )
        for entity in spec.entities
    )
    return Contribution(entities, targets, versions, dict(routed.labels))


def build(number: int, contributions: Iterable[tuple[str, Contribution]]) -> RouteTable:
    """Join what the endpoints contribute, in the order given."""
    targets: dict[str, RouteTarget] = {}
    models: dict[str, RouteModel] = {}
    endpoints: dict[str, tuple[RouteEntity, ...]] = {}
    for name, each in contributions:
        endpoints[name] = each.entities
        targets.update(each.targets)
        for (model, version), route in each.versions.items():
            entry = models.setdefault(model, RouteModel({}))
            entry.versions[version] = _join(entry.versions.get(version), route)
        for (model, kind, label), key in each.labels.items():
            entry = models.setdefault(model, RouteModel({}))
            (entry.aliases if kind is LabelKind.ALIAS else entry.stages).setdefault(label, key[1])
    return RouteTable(number, targets, models, endpoints)


def _join(first: RouteVersion | None, second: RouteVersion) -> RouteVersion:
    if first is None:
        return second
    best = first if first.targets or not second.targets else second
    return replace(best, targets=first.targets + tuple(each for each in second.targets if each not in first.targets))


class RouteBook:
    """Holds every endpoint's contribution; gives a new number only when the table really changed."""

    def __init__(self, last: RouteTable) -> None:
        self.table = last
        self._parts: dict[str, Contribution] = {}

    def renumber(self) -> None:
        """A new number for the same routes: something else in the snapshot changed."""
        self.table = replace(self.table, number=self.table.number + 1)

    def put(self, endpoint: str, part: Contribution | None) -> bool:
        """Replace (or remove) one endpoint's part; whether the table changed."""
        if part is None:
            self._parts.pop(endpoint, None)
        else:
            self._parts[endpoint] = part
        table = build(self.table.number, self._parts.items())
        if table == self.table:
            return False
        self.table = replace(table, number=self.table.number + 1)
        return True
