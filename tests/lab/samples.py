"""An instance and an endpoint as the daemons describe them."""

from __future__ import annotations

from jupyter_modelserve.types import (
    DaemonStatus,
    Endpoint,
    EndpointSpec,
    EndpointStatus,
    InstanceStatus,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    Verdict,
    VersionState,
    VersionStatus,
)

DAEMON = DaemonStatus("running", 1, 1)
INSTANCE = InstanceStatus("http://127.0.0.1:8585", "i", "0.1.0", DAEMON, DAEMON, DAEMON, 1)
ENDPOINT = Endpoint(
    EndpointSpec("iris", (ServedEntity("iris", Selector(SelectorKind.ALIAS, "Champion"), name="iris"),)),
    generation=1,
    created_at=1,
    updated_at=1,
    created_by="ann",
    status=EndpointStatus(
        ServiceState.READY,
        update=UpdateState.NOT_UPDATING,
        versions=(
            VersionStatus("iris", "2", "iris", VersionState.READY, ("Champion",), serving=True, verdict=Verdict.PASSED),
        ),
        urls=("http://127.0.0.1:8585/serving-endpoints/iris/invocations",),
    ),
)
