"""The words of architecture §2 as types: what every process exchanges (floor 0: standard library and names only).

All are frozen dataclasses and string enums, so that they can be compared, hashed, stored and sent. ``to_json`` gives
plain JSON values; ``from_json`` validates and rebuilds (through pydantic, imported on first use).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from jupyter_modelserve.codec import from_json as from_json
from jupyter_modelserve.codec import to_json as to_json
from jupyter_modelserve.computing import CostClass as CostClass
from jupyter_modelserve.computing import EntityCompute as EntityCompute
from jupyter_modelserve.computing import WorkloadSize as WorkloadSize
from jupyter_modelserve.computing import WorkloadType as WorkloadType
from jupyter_modelserve.governed import Access
from jupyter_modelserve.logged import LogLine as LogLine
from jupyter_modelserve.logged import MergedLog as MergedLog


# ---------------------------------------------------------------------------------------------------- selection
class SelectorKind(StrEnum):
    """Which versions of a model a served entity selects (architecture §2)."""

    ACTIVE = "active"
    STAGE = "stage"
    ALIAS = "alias"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Selector:
    """``active`` (every version that is not archived), ``stage=…``, ``alias=…`` or ``version=…``."""

    kind: SelectorKind
    value: str | None = None

    def __str__(self) -> str:
        return self.kind.value if self.value is None else f"{self.kind.value}={self.value}"


class EngineChoice(StrEnum):
    """What runs the replicas of an endpoint. ``auto``: Docker where it can be used, else processes."""

    PROCESS = "process"
    DOCKER = "docker"
    AUTO = "auto"


class UnknownColumns(StrEnum):
    """What happens to columns that the signature does not name."""

    WARN = "warn"
    REFUSE = "refuse"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class ServedEntity:
    """A selector with its compute; ``cores`` and ``memory_gb`` (GiB) of a replica count before the workload size.

    ``min_replicas`` and ``max_replicas``: between them the number follows the load (REQ-132); without them it is
    ``replicas``. ``scale_to_zero``: none at all while nobody asks (REQ-135).
    """

    model: str
    selector: Selector
    name: str = ""
    traffic: int = 100
    workload_size: WorkloadSize = WorkloadSize.SMALL
    replicas: int = 1
    cores: float | None = None
    memory_gb: float | None = None
    workload_type: WorkloadType = WorkloadType.CPU
    min_replicas: int | None = None
    max_replicas: int | None = None
    scale_to_zero: bool = False

    @property
    def least(self) -> int:
        """Fewest replicas while it is awake."""
        return self.replicas if self.min_replicas is None else self.min_replicas

    @property
    def most(self) -> int:
        """Most replicas, however much is asked of it."""
        return max(self.least, self.replicas) if self.max_replicas is None else self.max_replicas

    @property
    def scales(self) -> bool:
        """Whether the number of its replicas follows the load."""
        return self.scale_to_zero or self.most > self.least


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """What a user asks for. The reconciler makes it so.

    ``secrets`` are names of variables whose values are kept apart and never shown (REQ-140).
    """

    name: str
    entities: tuple[ServedEntity, ...]
    request_timeout: float | None = None
    unknown_columns: UnknownColumns | None = None
    tags: dict[str, str] = field(default_factory=dict)
    engine: EngineChoice | None = None
    environment_vars: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


# ---------------------------------------------------------------------------------------------------- states
class ReplicaState(StrEnum):
    """Life of a replica (a parent process or container)."""

    PENDING = "PENDING"
    CREATING = "CREATING"
    STARTING = "STARTING"
    READY = "READY"
    NOT_READY = "NOT_READY"
    DRAINING = "DRAINING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class VersionState(StrEnum):
    """Life of a version: in the controller (PENDING, BUILDING, STARTING), then in a replica."""

    PENDING = "PENDING"
    BUILDING = "BUILDING"
    STARTING = "STARTING"
    LOADING = "LOADING"
    PROBING = "PROBING"
    READY = "READY"
    FAILED = "FAILED"
    UNLOADING = "UNLOADING"
    SCALED_TO_ZERO = "SCALED_TO_ZERO"


class Verdict(StrEnum):
    """What the probe before READY found."""

    PASSED = "passed"
    NONE = "none"
    SYNTHETIC_REFUSED = "synthetic refused"


class ServiceState(StrEnum):
    """What serves now (REQ-191, REQ-192)."""

    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"


class UpdateState(StrEnum):
    """The change under way (REQ-167)."""

    NOT_UPDATING = "NOT_UPDATING"
    IN_PROGRESS = "IN_PROGRESS"
    UPDATE_FAILED = "UPDATE_FAILED"


class Cause(StrEnum):
    """The one named cause of a failure (architecture §5)."""

    FILES_CHANGED = "files changed"
    ARTIFACTS_MISSING = "artifacts missing"
    REQUIREMENT_UNRESOLVABLE = "requirement unresolvable"
    REQUIREMENT_UNSUPPORTED = "requirement unsupported"
    PYTHON_MISSING = "python missing"
    BUILD_FAILED = "build failed"
    BUILD_TIMED_OUT = "build timed out"
    MISSING_MODULE = "missing module"
    VERSION_CONFLICT = "version conflict"
    CANNOT_UNPICKLE = "cannot unpickle"
    OUT_OF_MEMORY = "out of memory"
    LOAD_FAILED = "load failed"
    PROBE_FAILED = "probe failed"
    STARTUP_TIMED_OUT = "start-up timed out"
    CRASHED = "crashed"
    ENGINE_REJECTED = "engine rejected"
    ENGINE_UNAVAILABLE = "engine unavailable"
    SECRET_UNREADABLE = "secret unreadable"  # noqa: S105 - a cause


@dataclass(frozen=True, slots=True)
class Failure:
    """One named cause, one sentence, what to do next, and the last log lines."""

    cause: Cause
    message: str
    hint: str = ""
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """A step of becoming ready: resolve, environment, start, load, probe, ready. ``seconds`` grows until ``done``."""

    name: str
    seconds: float
    done: bool
    detail: str = ""


class EnvironmentKind(StrEnum):
    """Where the interpreter of a version comes from."""

    BORROWED = "borrowed"
    BUILT = "built"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Environment:
    """A content-addressed environment: the interpreter that runs a version, a path inside ``image`` when there is one.

    ``chosen`` says which engine ``auto`` took and why.
    """

    key: str
    kind: EnvironmentKind
    interpreter: str
    python_version: str
    warnings: tuple[str, ...] = ()
    image: str = ""
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """A version that an endpoint serves or tries to serve."""

    model: str
    version: str
    entity: str
    state: VersionState
    labels: tuple[str, ...] = ()
    serving: bool = False
    verdict: Verdict | None = None
    failure: Failure | None = None
    phases: tuple[Phase, ...] = ()
    environment: Environment | None = None
    restarts: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """The two tracks of the sources, with the versions behind them."""

    service: ServiceState = ServiceState.PENDING
    service_message: str = ""
    update: UpdateState = UpdateState.IN_PROGRESS
    update_message: str = ""
    observed_generation: int = 0
    versions: tuple[VersionStatus, ...] = ()
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as the API shows it. Times are milliseconds since 1970."""

    spec: EndpointSpec
    generation: int
    created_at: int
    updated_at: int
    created_by: str
    status: EndpointStatus
    deleting: bool = False
    compute: tuple[EntityCompute, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an endpoint's history. ``number`` grows by instance; ``at`` is milliseconds since 1970."""

    number: int
    at: int
    endpoint: str
    kind: str
    message: str
    model: str = ""
    version: str = ""
    data: dict[str, Any] = field(default_factory=dict)


# ---------------------------------------------------------------------------------------------------- registry
@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered version as the registry's tables hold it. ``location`` is its artifact address."""

    model: str
    version: str
    stage: str
    location: str
    source: str
    run_id: str
    created_at: int
    status: str = "READY"
    description: str = ""
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model with its versions, newest first."""

    name: str
    description: str
    created_at: int
    updated_at: int
    aliases: dict[str, str]
    tags: dict[str, str]
    versions: tuple[ModelVersion, ...]


# ---------------------------------------------------------------------------------------------------- routes
@dataclass(frozen=True, slots=True)
class RouteTarget:
    """One worker: where it listens and what one needs to speak to it. ``address`` is ``unix:PATH`` of its lane 0.

    ``lanes``: how many ordinary lanes (processes) may be used; ``large``: there is one more for large bodies;
    ``batches``: requests are predicted together, so that many should be on their way at once. ``scales``: how many
    replicas there are follows the load, so the controller wants to know it.
    """

    id: str
    model: str
    version: str
    address: str
    key: str
    concurrency: int
    queue: int
    timeout: float
    lanes: int = 1
    large: bool = False
    batches: bool = False
    scales: bool = False


@dataclass(frozen=True, slots=True)
class RouteVersion:
    """A version that some endpoint serves or prepares; ``targets`` is empty until it is routed.

    ``wakes``: it is scaled to zero, or on its way back; requests are held until it is there (REQ-135).
    """

    state: VersionState
    targets: tuple[str, ...] = ()
    message: str = ""
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class RouteModel:
    """``/model/<name>/…``: versions by number; aliases and stages name the version that answers now."""

    versions: dict[str, RouteVersion]
    aliases: dict[str, str] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteEntity:
    """A share of an endpoint's traffic: the version that answers for it now.

    ``own``: what the endpoint itself has of it (others have other secrets); ``None``: an old table, or nothing.
    """

    name: str
    model: str
    version: str | None
    traffic: int
    message: str = ""
    own: RouteVersion | None = None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Numbered and immutable; the gateway swaps it in one assignment and acknowledges its number.

    ``renamed``: old name of a model → the name that it has now, for the answer to whoever still uses the old one.
    """

    number: int
    targets: dict[str, RouteTarget] = field(default_factory=dict)
    models: dict[str, RouteModel] = field(default_factory=dict)
    endpoints: dict[str, tuple[RouteEntity, ...]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)


class Scope(StrEnum):
    """What a token may be used for."""

    ALL = "all"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a token's hash stands for. ``expires_at`` is milliseconds since 1970, 0 = never.

    ``delegates``: it may name the person on whose behalf it calls (the local user's token, as Jupyter uses it). The
    name is written down; rights are those of the token.
    """

    id: str
    principal: str
    scopes: tuple[Scope, ...]
    expires_at: int = 0
    delegates: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the gateway works from: routes, token hashes (SHA-256, hex) with what they stand for, who may score."""

    instance_id: str
    routes: RouteTable
    tokens: dict[str, TokenGrant] = field(default_factory=dict)
    access: Access | None = None  # None: written before there were others than the local user


# ---------------------------------------------------------------------------------------------------- instance
@dataclass(frozen=True, slots=True)
class Instance:
    """The content of ``instance.json``. ``nonce`` proves over the private socket that the port is ours."""

    instance_id: str
    port: int
    nonce: str

    @property
    def url(self) -> str:
        """The one address of everything."""
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """One of the daemons. ``state`` is running, starting or stopped."""

    state: str
    pid: int | None = None
    started_at: int = 0


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """Both daemons and the MLflow child, shown as one thing. ``registry`` grows with every change of the registry,
    ``notebook_runs`` with every change of a run of a notebook.
    """

    url: str
    instance_id: str
    version: str
    gateway: DaemonStatus
    controller: DaemonStatus
    mlflow: DaemonStatus
    endpoints: int = 0
    engine: str = ""
    isolation: str = ""
    registry: int = 0
    notebook_runs: int = 0


@dataclass(frozen=True, slots=True)
class SecretKeyRotation:
    """What a new key of secrets came to: its id, and how many secrets it seals that another key sealed before.

    ``unreadable``: ``endpoint/name`` that no key opens. ``unused``: ids of keys that the operator may remove.
    """

    key: str
    renewed: int
    unreadable: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token without its secret. Times are milliseconds since 1970; 0 = never."""

    id: str
    principal: str
    comment: str
    scopes: tuple[Scope, ...]
    created_at: int
    expires_at: int
    last_used_at: int = 0
