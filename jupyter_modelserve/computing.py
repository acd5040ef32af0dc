"""Words and arithmetic of compute (floor 0): sizes, kinds of processor, cost, and how much a load needs (REQ-133).

:mod:`jupyter_modelserve.types` offers the types under its name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jupyter_modelserve.errors import InvalidParameter

GB_PER_REQUEST: Final = 4
"""GiB of memory for each request that a replica works on at the same time (REQ-118)."""


class WorkloadSize(StrEnum):
    """Compute sizes of the sources (REQ-169); the number is the concurrency of one replica."""

    SMALL = "Small"
    MEDIUM = "Medium"
    LARGE = "Large"

    @property
    def concurrency(self) -> int:
        """Requests that one replica works on at the same time."""
        return {"Small": 4, "Medium": 16, "Large": 64}[self.value]


class WorkloadType(StrEnum):
    """Kind of processor behind an endpoint, in the words of databricks-sdk (REQ-119)."""

    CPU = "CPU"
    GPU_SMALL = "GPU_SMALL"
    GPU_MEDIUM = "GPU_MEDIUM"
    MULTIGPU_MEDIUM = "MULTIGPU_MEDIUM"
    GPU_MEDIUM_8 = "GPU_MEDIUM_8"

    @property
    def hardware(self) -> str:
        """What the name stands for."""
        return {
            "CPU": "CPU",
            "GPU_SMALL": "1 × T4, 16 GB",
            "GPU_MEDIUM": "1 × A10G, 24 GB",
            "MULTIGPU_MEDIUM": "4 × A10G, 96 GB",
            "GPU_MEDIUM_8": "8 × A10G, 192 GB",
        }[self.value]


class CostClass(StrEnum):
    """When an endpoint holds its compute: all the time (REQ-010), or only while it is used."""

    ALL_PURPOSE = "all-purpose"
    ON_DEMAND = "on-demand"


@dataclass(frozen=True, slots=True)
class EntityCompute:
    """What one replica of a served entity may use: ``cores``, ``memory_gb`` (GiB), ``concurrency`` requests at a time.

    ``limited``: the engine enforces it (processes are not limited).
    """

    entity: str
    cost_class: CostClass
    concurrency: int
    cores: float
    memory_gb: float
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """Compute that carries a load; ``memory_gb`` (GiB) is that of all replicas by the rule of REQ-118."""

    concurrency: int
    workload_size: WorkloadSize
    replicas: int
    memory_gb: int


def provisioned_concurrency(requests_per_second: float, seconds: float) -> int:
    """Requests that are worked on at the same time at that rate and run time of the model (REQ-133).

    Raises:
        InvalidParameter: a figure that is not a positive number.
    """
    for field, value in (("requests_per_second", requests_per_second), ("seconds", seconds)):
        if not 0 < value < math.inf:
            raise InvalidParameter(f"{field}: must be more than 0", details={"field": field})
    # Rounded first: 0.1 × 30 is a little more than 3.
    return max(1, math.ceil(round(requests_per_second * seconds, 9)))


def advise(requests_per_second: float, seconds: float) -> Advice:
    """The smallest workload size, and how many replicas of it, that carry a load (REQ-133)."""
    wanted = provisioned_concurrency(requests_per_second, seconds)
    size = next((each for each in WorkloadSize if each.concurrency >= wanted), WorkloadSize.LARGE)
    replicas = math.ceil(wanted / size.concurrency)
    return Advice(wanted, size, replicas, replicas * size.concurrency * GB_PER_REQUEST)
