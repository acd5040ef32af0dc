"""The state machines as data: which state may follow which (architecture §5).

The code that moves states is spread over three processes; these tables are what it must agree with. They are rendered
into docs/reference/states.md, and tests hold what the code does against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from jupyter_modelserve.types import ReplicaState as R
from jupyter_modelserve.types import VersionState as V

S = TypeVar("S")

REPLICA_MEANS: Final[Mapping[R, str]] = {
    R.PENDING: "wanted, and nothing was created yet",
    R.CREATING: "the engine makes its directory, key and process",
    R.STARTING: "the process lives and does not answer yet",
    R.READY: "it answers and takes versions",
    R.NOT_READY: "the process lives and nothing answers at its address",
    R.DRAINING: "it is being ended: requests in flight may finish",
    R.STOPPED: "it ended in order",
    R.FAILED: "it ended by a signal, with an error, or unseen",
    R.UNKNOWN: "it cannot be asked now; nothing is concluded from that",
}
"""What each state says, for the documentation."""

REPLICA: Final[Mapping[R, frozenset[R]]] = {
    R.PENDING: frozenset({R.CREATING}),
    R.CREATING: frozenset({R.STARTING, R.READY, R.STOPPED, R.FAILED, R.UNKNOWN}),
    R.STARTING: frozenset({R.READY, R.NOT_READY, R.DRAINING, R.STOPPED, R.FAILED, R.UNKNOWN}),
    R.READY: frozenset({R.STARTING, R.NOT_READY, R.DRAINING, R.STOPPED, R.FAILED, R.UNKNOWN}),
    R.NOT_READY: frozenset({R.READY, R.DRAINING, R.STOPPED, R.FAILED, R.UNKNOWN}),
    R.DRAINING: frozenset({R.READY, R.NOT_READY, R.STOPPED, R.FAILED, R.UNKNOWN}),
    R.STOPPED: frozenset({R.CREATING, R.DRAINING}),
    R.FAILED: frozenset({R.CREATING, R.DRAINING}),
    R.UNKNOWN: frozenset({R.STARTING, R.READY, R.NOT_READY, R.DRAINING, R.STOPPED, R.FAILED}),
}
"""A replica as its engine sees it. A dead one is made anew under the same name, or cleared away. One that
could not be ended is seen as it is again, and ended at the next attempt. One that goes silent in its first seconds
cannot be told from one that still starts."""

VERSION_MEANS: Final[Mapping[V, str]] = {
    V.PENDING: "selected, and nothing is known or done yet",
    V.BUILDING: "files are fetched and checked, the environment is found or built",
    V.STARTING: "its replica is being started",
    V.LOADING: "its worker starts and loads the model",
    V.PROBING: "it predicts its logged input example",
    V.READY: "it predicted and may be routed",
    V.FAILED: "it cannot be served; the cause is named",
    V.UNLOADING: "nothing routes to it any more; it answers what it has and ends",
    V.SCALED_TO_ZERO: "nobody asked for long, so it has no replica; requests are held and start it again",
}
"""What each state says, for the documentation."""

WORKER: Final[Mapping[V, frozenset[V]]] = {
    V.LOADING: frozenset({V.PROBING, V.FAILED, V.UNLOADING}),
    V.PROBING: frozenset({V.LOADING, V.READY, V.FAILED, V.UNLOADING}),
    V.READY: frozenset({V.LOADING, V.UNLOADING}),
    V.FAILED: frozenset({V.UNLOADING}),
    V.UNLOADING: frozenset(),
}
"""The part inside a replica. READY goes back to LOADING when the process died and is started again (REQ-004), and so
does PROBING when it died once more on its way back."""

_ADOPTED: Final = frozenset(WORKER)
_REPLICA_LOST: Final = frozenset({V.PENDING, V.BUILDING, V.STARTING})

VERSION: Final[Mapping[V, frozenset[V]]] = {
    V.PENDING: frozenset({V.BUILDING, V.SCALED_TO_ZERO}) | _ADOPTED,
    V.BUILDING: frozenset({V.PENDING, V.STARTING, V.LOADING, V.FAILED, V.SCALED_TO_ZERO}),
    V.STARTING: frozenset({V.PENDING, V.BUILDING, V.LOADING, V.FAILED, V.SCALED_TO_ZERO}),
    V.LOADING: WORKER[V.LOADING] | _REPLICA_LOST | {V.SCALED_TO_ZERO},
    V.PROBING: WORKER[V.PROBING] | _REPLICA_LOST | {V.SCALED_TO_ZERO},
    V.READY: WORKER[V.READY] | _REPLICA_LOST | {V.PROBING, V.SCALED_TO_ZERO},
    V.FAILED: WORKER[V.FAILED] | _REPLICA_LOST | {V.LOADING},
    V.UNLOADING: WORKER[V.UNLOADING] | _REPLICA_LOST | {V.LOADING},
    V.SCALED_TO_ZERO: _ADOPTED | _REPLICA_LOST,
}
"""A version as the API shows it: from the registry to its worker, with adoption and lost replicas. In several replicas
it is what it is in the one that is furthest: READY in one that dies, PROBING in the next. A controller that starts
while a version returns from zero sees it at zero until the gateway says again that requests wait."""


def reachable(table: Mapping[S, frozenset[S]], start: S) -> frozenset[S]:
    """Every state that can follow *start*, at once or later."""
    found: set[S] = set()
    fringe = {start}
    while fringe:
        fringe = {after for state in fringe for after in table[state]} - found
        found |= fringe
    return frozenset(found)
