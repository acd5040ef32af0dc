"""What a replica may use, from workload sizes, the table of the settings and a user's own figures. Pure (REQ-048)."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_modelserve.controller.engines.base import Compute
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import (
    CostClass,
    EndpointSpec,
    EntityCompute,
    ServedEntity,
    VersionStatus,
    WorkloadSize,
)

GIB = 1024**3
LEAST_CORES, MOST_CORES = 0.1, 1024.0
LEAST_MEMORY_GB, MOST_MEMORY_GB = 0.25, 65536.0


def table(text: str) -> dict[WorkloadSize, Compute]:
    """Read the setting ``workload_sizes``: ``Small=2:16 Medium=8:64 Large=32:256`` (cores and GiB).

    Raises:
        InvalidParameter: a size is missing or unknown, or a figure is none.
    """
    found: dict[WorkloadSize, Compute] = {}
    try:
        for entry in text.replace(",", " ").split():
            name, _, figures = entry.partition("=")
            cores, _, memory = figures.partition(":")
            found[WorkloadSize(name.capitalize())] = _compute(float(cores), float(memory))
    except ValueError:
        raise _wrong(text) from None
    if set(found) != set(WorkloadSize):
        raise _wrong(text)
    return found


def compute_for(entities: Iterable[ServedEntity], sizes: dict[WorkloadSize, Compute]) -> Compute:
    """What the largest of *entities* asks for; each figure of its own counts before the size's."""
    found = [_of(each, sizes) for each in entities]
    if not found:
        return Compute()
    return Compute(max(each.cores for each in found), max(each.memory for each in found))


def shown(
    spec: EndpointSpec, sizes: dict[WorkloadSize, Compute], versions: Iterable[VersionStatus]
) -> tuple[EntityCompute, ...]:
    """Compute of each entity as users see it, with its cost class (REQ-010)."""
    contained = {each.entity for each in versions if each.environment is not None and each.environment.image}
    return tuple(
        EntityCompute(
            entity=each.name,
            cost_class=CostClass.ON_DEMAND if each.scale_to_zero else CostClass.ALL_PURPOSE,
            concurrency=each.workload_size.concurrency,
            cores=_of(each, sizes).cores,
            memory_gb=_of(each, sizes).memory / GIB,
            limited=each.name in contained,
        )
        for each in spec.entities
    )


def labels_of(spec: EndpointSpec) -> tuple[tuple[str, str], ...]:
    """The tags that containers carry as labels: the user's, not what we remember under a name of our own (REQ-049)."""
    return tuple(sorted((key, value) for key, value in spec.tags.items() if not key.startswith("modelserve.")))


def _of(entity: ServedEntity, sizes: dict[WorkloadSize, Compute]) -> Compute:
    size = sizes[entity.workload_size]
    cores = size.cores if entity.cores is None else entity.cores
    return Compute(cores, size.memory if entity.memory_gb is None else int(entity.memory_gb * GIB))


def _compute(cores: float, memory_gb: float) -> Compute:
    if not (LEAST_CORES <= cores <= MOST_CORES and LEAST_MEMORY_GB <= memory_gb <= MOST_MEMORY_GB):
        raise ValueError
    return Compute(cores, int(memory_gb * GIB))


def _wrong(text: str) -> InvalidParameter:
    example = "Small=2:16 Medium=8:64 Large=32:256 (cores and GiB)"
    return InvalidParameter(f"workload_sizes is {text!r}; it must be such as {example}")
