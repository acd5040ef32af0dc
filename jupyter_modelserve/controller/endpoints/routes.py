"""From what each endpoint routes to the one numbered table that the gateway works from. Pure, except for the book.

Several endpoints may serve one model: at an address of the model their workers for a version are targets side by side,
at an endpoint's own address only its own. A name answers as the endpoint says that can answer for it, above all one
that follows the name: an endpoint that pins a version knows only what the registry says, and must not take a name away
while another one is still getting the new version ready.
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
    """What one endpoint brings to the table. ``versions`` holds every version it serves or prepares.

    ``follows`` are the names that it moves by its own rules; for other names of its models it only knows what the
    registry says.
    """

    entities: tuple[RouteEntity, ...] = ()
    targets: Mapping[str, RouteTarget] = field(default_factory=dict)
    versions: Mapping[Key, RouteVersion] = field(default_factory=dict)
    labels: Mapping[Label, Key] = field(default_factory=dict)
    follows: frozenset[Label] = frozenset()

    def rank(self, label: Label) -> tuple[bool, bool, bool]:
        """How much its word counts for a name: it can answer, it follows the name, it prepares the version."""
        key = self.labels[label]
        found = self.versions.get(key)
        return bool(found and (found.targets or found.wakes)), label in self.follows, found is not None


def contribute(
    spec: EndpointSpec,
    routed: Routed,
    workers: Mapping[str, Worker],
    states: Mapping[Key, tuple[VersionState, str]],
    settings: Settings,
    messages: Mapping[str, str],
    follows: Iterable[Label] = (),
) -> Contribution:
    """Turn the planner's choice into routes.

    Args:
        spec: gives traffic shares and limits.
        routed: the planner's choice.
        workers: by id; those that *routed* names have an address and a key.
        states: every wanted version with its state and, when it failed, the sentence for callers.
        settings: defaults of the limits.
        messages: by entity: why it has no version.
        follows: names that an entity of the endpoint follows.
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
            lanes=worker.lanes,
            large=worker.large,
            batches=worker.batches,
            scales=any(entity.scales for entity in spec.entities),
        )
    versions = {key: RouteVersion(state, (), message) for key, (state, message) in states.items()}
    for key, group in routed.workers.items():
        if group:
            versions[key] = RouteVersion(VersionState.READY, group)
        else:
            state, message = states.get(key, (VersionState.SCALED_TO_ZERO, ""))
            versions[key] = RouteVersion(state, (), message, wakes=True)
    entities = tuple(
        RouteEntity(
            name=entity.name,
            # While a renamed model is loaded anew, what answers still has the old name.
            model=routed.entities.get(entity.name, (entity.model, ""))[0],
            version=routed.entities[entity.name][1] if entity.name in routed.entities else None,
            traffic=entity.traffic,
            message=messages.get(entity.name, ""),
            own=versions.get(routed.entities.get(entity.name, ("", ""))),
        )
        for entity in spec.entities
    )
    return Contribution(entities, targets, versions, dict(routed.labels), frozenset(follows))


def build(
    number: int, contributions: Iterable[tuple[str, Contribution]], renamed: Mapping[str, str] | None = None
) -> RouteTable:
    """Join what the endpoints contribute. Where two speak of one name, the one that can answer for it counts.

    *renamed* tells whoever uses the old name of a model the new one.
    """
    targets: dict[str, RouteTarget] = {}
    models: dict[str, RouteModel] = {}
    endpoints: dict[str, tuple[RouteEntity, ...]] = {}
    ranks: dict[Label, tuple[bool, bool, bool]] = {}
    for name, each in sorted(contributions, key=lambda named: named[0]):
        endpoints[name] = each.entities
        targets.update(each.targets)
        for (model, version), route in each.versions.items():
            entry = models.setdefault(model, RouteModel({}))
            entry.versions[version] = _join(entry.versions.get(version), route)
        for name_of, key in each.labels.items():
            if name_of in ranks and each.rank(name_of) <= ranks[name_of]:
                continue
            ranks[name_of] = each.rank(name_of)
            model, kind, label = name_of
            entry = models.setdefault(model, RouteModel({}))
            (entry.aliases if kind is LabelKind.ALIAS else entry.stages)[label] = key[1]
    return RouteTable(number, targets, models, endpoints, dict(renamed or {}))


def _join(first: RouteVersion | None, second: RouteVersion) -> RouteVersion:
    if first is None:
        return second
    best = max(first, second, key=lambda each: (bool(each.targets), each.wakes))
    return replace(best, targets=first.targets + tuple(each for each in second.targets if each not in first.targets))


class RouteBook:
    """Holds every endpoint's contribution; gives a new number only when the table really changed."""

    def __init__(self, last: RouteTable) -> None:
        self.table = last
        self._parts: dict[str, Contribution] = {}
        self.renamed: Mapping[str, str] = {}

    def renumber(self) -> None:
        """A new number for the same routes: something else in the snapshot changed."""
        self.table = replace(self.table, number=self.table.number + 1)

    def put(self, endpoint: str, part: Contribution | None) -> bool:
        """Replace (or remove) one endpoint's part; whether the table changed."""
        if part is None:
            self._parts.pop(endpoint, None)
        else:
            self._parts[endpoint] = part
        return self.rebuild()

    def rename(self, renamed: Mapping[str, str]) -> bool:
        """Replace the old names of models; whether the table changed."""
        self.renamed = renamed
        return self.rebuild()

    def rebuild(self) -> bool:
        """Join the parts anew; whether the table changed."""
        table = build(self.table.number, self._parts.items(), self.renamed)
        if table == self.table:
            return False
        self.table = replace(table, number=self.table.number + 1)
        return True
