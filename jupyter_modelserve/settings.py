"""Settings and paths of an instance (floor 0: pure, standard library and jupyter_core only).

A setting comes from its default, then ``settings.toml`` in the state directory, then the environment variable
``MODELSERVE_<NAME>``. Every setting is documented by its ``doc`` metadata; docs/reference/settings.md is generated
from it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_modelserve.errors import InvalidParameter

_SOCKET_PATH_LIMIT = 100
"""Bytes that a unix socket path may have with room to spare (the kernel allows 107)."""
_LONGEST_SOCKET_NAME = len("/r/") + 12 + len("/000000000000.sock")


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may change. Times are seconds, sizes bytes."""

    port: int = _setting(0, "Gateway port on 127.0.0.1; 0 picks a free one at first start and keeps it for good.")
    body_limit: int = _setting(16 * 1024 * 1024, "Largest scoring body (REQ-014); above it the answer is 413.")
    request_timeout: float = _setting(120.0, "Time a scoring request may take in all (REQ-130); then 504.")
    kill_grace: float = _setting(10.0, "Time after the time-out at which a worker still computing is restarted.")
    hold: float = _setting(30.0, "Time requests are held while the controller or MLflow wakes up.")
    queue_per_worker: int = _setting(16, "Requests that may wait per loaded version beyond its concurrency.")
    unknown_columns: str = _setting("warn", "Columns that the signature does not name: warn, refuse or ignore.")
    json_depth: int = _setting(64, "Deepest nesting accepted in a JSON body.")
    direct: bool = _setting(True, "Answer without MLflow's pyfunc where the answers are proved equal; false: never.")
    batching: str = _setting("auto", "Predict waiting requests together: auto (where rows are independent), on or off.")
    startup_budget: float = _setting(600.0, "Time a version may take to load and answer its probe.")
    check_timeout: float = _setting(1800.0, "Time a check before serving may take, its environment included.")
    build_timeout: float = _setting(3600.0, "Time an environment build may take (REQ-136).")
    python_interpreters: str = _setting("", f"More Python interpreters to use, separated by {os.pathsep}.")
    borrow: bool = _setting(True, "Use an installed interpreter when it already satisfies a model's requirements.")
    offline: bool = _setting(False, "Never reach a package index; use caches, find-links and borrowed interpreters.")
    find_links: str = _setting("", "Directory or page with wheels for environment builds, besides pip's own settings.")
    ca_bundle: str = _setting("", "File with the certificates that environment builds trust; pip's own by default.")
    engine: str = _setting("process", "What runs models where an endpoint does not say: process, docker or auto.")
    docker_host: str = _setting("", "Address of the Docker engine; empty: DOCKER_HOST, else its usual socket.")
    base_image: str = _setting("python:{python}-slim", "Image that environments are built on; {python}: 3.11, say.")
    build_network: str = _setting("bridge", "Docker network in which environment images are built.")
    image_keep: float = _setting(30 * 86400.0, "Time after which an environment image that nothing uses is removed.")
    workload_sizes: str = _setting(
        "Small=2:16 Medium=8:64 Large=32:256",
        "Cores and GiB of a replica by size (REQ-118), at most what the machine has; for engines with limits.",
    )
    scale_down: float = _setting(300.0, "Time of less load after which replicas that it does not need go (REQ-134).")
    scale_to_zero: float = _setting(1800.0, "Time without a request after which what may scale to zero does (REQ-135).")
    zero_keep: float = _setting(1800.0, "Time at zero for which the warm process, empty, is kept for a quick return.")
    wake_hold: float = _setting(120.0, "Time a request may wait for a version that returns from zero; then 503.")
    wake_queue: int = _setting(1000, "Requests that may wait for one such version; more are told to try again.")
    restart_hold: float = _setting(10.0, "Time requests wait for a version whose only process died; 0: at most 1 s.")
    idle_exit: float = _setting(1800.0, "Time with no endpoint and no client after which the daemons end; 0: never.")
    log_limit: int = _setting(10 * 1024 * 1024, "Size at which a log file is rotated; three old ones are kept.")
    autostart: bool = _setting(True, "Start the ended instance when MLflow in a kernel calls it; else the call fails.")
    secret_key_file: str = _setting("", "File with the key of endpoints' secrets, in place of one made in the home.")
    allowed_hosts: str = _setting("", "Host names besides loopback that requests may name, separated by commas.")

    @classmethod
    def load(cls, home: Path, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings of the instance in *home*.

        Raises:
            InvalidParameter: an unknown name in settings.toml, or a value of the wrong type; names file and field.
        """
        environ = os.environ if environ is None else environ
        fields = {each.name: each for each in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        source = home / "settings.toml"
        if source.is_file():
            try:
                written = tomllib.loads(source.read_text(encoding="utf-8"))
            except tomllib.TOMLDecodeError as error:
                raise InvalidParameter(f"{source} is not valid TOML: {error}") from error
            for name, value in written.items():
                if name not in fields:
                    raise InvalidParameter(f"{source}: unknown setting {name!r}; known are {', '.join(sorted(fields))}")
                values[name] = _convert(name, value, fields[name].default, str(source))
        for name, each in fields.items():
            variable = f"MODELSERVE_{name.upper()}"
            if variable in environ:
                values[name] = _convert(name, environ[variable], each.default, variable)
        settings = cls(**values)
        if settings.unknown_columns not in {"warn", "refuse", "ignore"}:
            raise InvalidParameter(f"unknown_columns is {settings.unknown_columns!r}; use warn, refuse or ignore")
        if settings.engine not in {"process", "docker", "auto"}:
            raise InvalidParameter(f"engine is {settings.engine!r}; use process, docker or auto")
        if settings.batching not in {"auto", "on", "off"}:
            raise InvalidParameter(f"batching is {settings.batching!r}; use auto, on or off")
        return settings


def _convert(name: str, value: Any, default: Any, source: str) -> Any:
    try:
        if isinstance(default, bool):
            if isinstance(value, bool):
                return value
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}[
                str(value).lower()
            ]
        return type(default)(value)
    except (KeyError, TypeError, ValueError) as error:
        wanted = type(default).__name__
        raise InvalidParameter(f"{source}: setting {name!r} needs a value of type {wanted}") from error


@dataclass(frozen=True)
class Paths:
    """Where an instance keeps what. ``home`` is 0700 and belongs to one user."""

    home: Path

    @classmethod
    def default(cls, environ: Mapping[str, str] | None = None) -> Paths:
        """``MODELSERVE_HOME`` when set, else ``modelserve`` in the Jupyter data directory."""
        environ = os.environ if environ is None else environ
        if environ.get("MODELSERVE_HOME"):
            return cls(Path(environ["MODELSERVE_HOME"]).expanduser().absolute())
        from jupyter_core.paths import jupyter_data_dir

        return cls(Path(jupyter_data_dir()) / "modelserve")

    @property
    def instance_file(self) -> Path:
        """``instance.json`` (0600): id, port and nonce of the instance."""
        return self.home / "instance.json"

    @property
    def token_file(self) -> Path:
        """The local user's token (0600)."""
        return self.home / "token"

    @property
    def database(self) -> Path:
        """MLflow's store and our tables."""
        return self.home / "registry.db"

    @property
    def secret_key_file(self) -> Path:
        """The key of endpoints' secrets (0600), once there is one."""
        return self.home / "secret.key"

    @property
    def artifacts(self) -> Path:
        """Root of the artifact store."""
        return self.home / "artifacts"

    @property
    def environments(self) -> Path:
        """Built environments, by content hash."""
        return self.home / "environments"

    @property
    def logs(self) -> Path:
        """Logs of the daemons and of environment builds."""
        return self.home / "logs"

    @property
    def routes_file(self) -> Path:
        """The gateway's last good snapshot (0600)."""
        return self.home / "routes.json"

    @property
    def stopping_file(self) -> Path:
        """Present while ``down`` is in force: the daemons then do not restart each other."""
        return self.home / "stopping"

    @cached_property
    def run(self) -> Path:
        """Directory of the sockets and locks (0700).

        Inside ``home`` when the path is short enough for a unix socket, else a directory of this user's in the
        temporary directory, named by a hash of ``home``.
        """
        inside = self.home / "run"
        if len(os.fsencode(inside)) + _LONGEST_SOCKET_NAME <= _SOCKET_PATH_LIMIT:
            return inside
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"modelserve-{os.getuid()}-{digest}"

    @property
    def gateway_socket(self) -> Path:
        """The gateway's private address (health, identity, internal commands)."""
        return self.run / "gateway.sock"

    @property
    def controller_socket(self) -> Path:
        """The controller's only address."""
        return self.run / "controller.sock"

    def port_socket(self, daemon: str) -> Path:
        """Where ``gateway`` or ``controller`` hands out the socket that listens on the instance's port."""
        return self.run / f"{daemon}-port.sock"

    @property
    def mlflow_socket(self) -> Path:
        """The MLflow child's only address."""
        return self.run / "mlflow.sock"

    @property
    def replicas(self) -> Path:
        """One directory per replica: specification, key, model files, logs."""
        return self.home / "replicas"

    @property
    def containers(self) -> Path:
        """One directory per container: its record with the key (0600)."""
        return self.home / "containers"

    @property
    def replica_sockets(self) -> Path:
        """One directory (0700) per replica with the sockets of its parent and workers."""
        return self.run / "r"

    def lock(self, name: str) -> Path:
        """Lock file of a daemon (``gateway``, ``controller``, ``launch``)."""
        return self.run / f"{name}.lock"

    def create(self) -> None:
        """Make the directories, 0700.

        Raises:
            InvalidParameter: the run directory exists and belongs to somebody else.
        """
        ours = (self.artifacts, self.environments, self.logs, self.replicas, self.containers, self.replica_sockets)
        for directory in (self.home, self.run, *ours):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (self.home, self.run):
            found = directory.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                raise InvalidParameter(f"{directory} belongs to another user; set MODELSERVE_HOME to one of yours")
            if stat.S_IMODE(found.st_mode) & 0o077:
                directory.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Replace *path* by *text* in one step, readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
