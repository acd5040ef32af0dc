"""The words of lineage as types: what came from what, from data to endpoint (architecture §2; floor 0).

What the API, the clients, the magics and the panel exchange. How edges are found and kept is the controller's
(``controller/lineage``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class NodeType(StrEnum):
    """Kinds of things in the graph. An execution is one run of a notebook by a program, a run is MLflow's."""

    DATASET = "dataset"
    NOTEBOOK = "notebook"
    EXECUTION = "execution"
    OUTPUT = "output"
    RUN = "run"
    LOGGED_MODEL = "logged model"
    VERSION = "version"
    MODEL = "model"
    ALIAS = "alias"
    STAGE = "stage"
    ENDPOINT = "endpoint"
    CONSUMER = "consumer"


class Relation(StrEnum):
    """What an edge says of its source: a dataset was ``read`` by a run, a version was ``copied`` to another one."""

    READ = "read"
    EVALUATED = "evaluated"
    RAN = "ran"
    TRACKED = "tracked"
    WROTE = "wrote"
    LOGGED = "logged"
    USED = "used"
    REGISTERED = "registered"
    COPIED = "copied"
    BELONGS = "belongs"
    NAMED = "named"
    SERVED = "served"
    LOADED = "loaded"


class Direction(StrEnum):
    """Which way to look from where one stands."""

    BOTH = "both"
    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"


@dataclass(frozen=True, slots=True)
class LineageNode:
    """One thing. A withheld one exists, and the viewer may not know more; its ``id`` means nothing outside the answer.

    ``column`` and ``row`` are where to draw it: what comes from something is right of it.
    """

    id: str
    type: NodeType
    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    withheld: bool = False
    column: int = 0
    row: int = 0


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """``target`` came from ``source``. Times are milliseconds since 1970; ``ended_at`` 0 means that it still holds."""

    source: str
    target: str
    relation: Relation
    at: int = 0
    ended_at: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lineage:
    """A part of the graph. ``focus``: the nodes asked about; ``truncated``: there is more than fits an answer."""

    focus: tuple[str, ...]
    nodes: tuple[LineageNode, ...] = ()
    edges: tuple[LineageEdge, ...] = ()
    truncated: bool = False


class NotebookRunState(StrEnum):
    """Where a run of a notebook stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """One run of a notebook by ``jupyter modelserve run``. Times are milliseconds since 1970, 0 stands for never.

    ``failed`` names the cell and its error, ``records`` is what ``ms.record`` left in the output. ``number`` grows
    with every change of any run. ``left_out`` names what a list leaves out because it is long: ask for the run itself.
    """

    id: str
    notebook: str
    output: str
    state: NotebookRunState
    parameters: dict[str, Any] = field(default_factory=dict)
    started_at: int = 0
    ended_at: int = 0
    failed: dict[str, Any] | None = None
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    principal: str = ""
    number: int = 0
    left_out: tuple[str, ...] = ()
