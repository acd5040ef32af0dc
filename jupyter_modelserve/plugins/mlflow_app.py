"""MLflow's server as one child process of the controller: ``python -m jupyter_modelserve.plugins.mlflow_app``.

MLflow's handlers set process-wide state, so they get a process of their own. It listens on a unix socket in a private
directory and nowhere else, runs no jobs, sends no telemetry, and ends when its parent does.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.plugins.mlflow_governance import Governor
from jupyter_modelserve.plugins.mlflow_guard import Guard
from jupyter_modelserve.settings import Paths, Settings

ARTIFACT_ROOT: Final = "mlflow-artifacts:/"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[[]::1]")
_TOOLS: Final = ("SSH_AUTH_SOCK", "PYTHONDONTWRITEBYTECODE")


def create_app(governor: Governor | None = None) -> Guard:
    """MLflow's FastAPI app with our stores and rules (an ASGI app). :func:`configure` has been called before, in the
    home directory of the instance.
    """
    import uvicorn  # noqa: F401 - its presence makes MLflow install its own host check
    from mlflow.server import app as flask_app
    from mlflow.server import fastapi_app

    from jupyter_modelserve.plugins import mlflow_placing
    from jupyter_modelserve.plugins.mlflow_stores import register_stores

    governor = governor or Governor(Paths(Path.cwd()))
    mlflow_placing.install()
    register_stores(governor)
    guard = Guard(fastapi_app.app, governor)
    flask_app.before_request_funcs.setdefault(None, []).insert(0, guard.check_flask)
    return guard


def configure(paths: Paths, settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Set what MLflow reads from the environment; call it in the home directory and before MLflow is imported.

    Variables of the user's own MLflow client are dropped: a tracking address would point this server at itself.
    The database is named relative to the home, because MLflow reads an address partly as a path and partly as a URL,
    and a directory name may hold characters that mean something in one of them.
    """
    for name in [name for name in environ if name.lstrip("_").startswith("MLFLOW_") or name in _TOOLS]:
        del environ[name]
    environ.update(_host_variables(settings))
    environ.update(
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        MLFLOW_ENABLE_ASSISTANT_SANDBOX="false",
        TMPDIR=str(_scratch(paths)),
    )
    environ.update(_store_variables(paths))


def _host_variables(settings: Settings) -> dict[str, str]:
    # The gateway has checked Host and Origin already and forwards both; these lists say the same once more.
    named = [host.strip() for host in settings.allowed_hosts.split(",") if host.strip()]
    origins = [f"{scheme}://{host}{port}" for host in named for scheme in ("http", "https") for port in ("", ":*")]
    hosts = [f"{host}{port}" for host in (*_LOOPBACK, *named) for port in ("", ":*")]
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(origins),
    }


def _store_variables(paths: Paths) -> dict[str, str]:
    # The names are MLflow's private ones: `mlflow server` hands its options to its workers by these.
    database = f"sqlite:///{paths.database.relative_to(paths.home)}"
    return {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": ARTIFACT_ROOT,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": paths.artifacts.as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
    }


def main(argv: list[str] | None = None) -> int:
    """Serve until the parent closes our standard input or a signal arrives."""
    from jupyter_modelserve.plugins import mlflow_process

    parser = argparse.ArgumentParser(prog="python -m jupyter_modelserve.plugins.mlflow_app")
    parser.add_argument("--home", type=Path, required=True)
    paths = Paths(parser.parse_args(argv).home.absolute())
    ready = mlflow_process.take_stdout()
    mlflow_process.end_with_parent()
    os.chdir(paths.home)
    os.umask(0o077)
    # Only we use it, so what lies there is what a killed process left.
    shutil.rmtree(_scratch(paths), ignore_errors=True)
    _scratch(paths).mkdir(mode=0o700, exist_ok=True)
    configure(paths, Settings.load(paths.home), os.environ)
    app = _load(paths)
    mlflow_process.serve(app, paths.mlflow_socket, ready)
    return 0


def _scratch(paths: Paths) -> Path:
    return paths.home / "tmp"


def _load(paths: Paths) -> Any:
    from jupyter_modelserve.plugins import mlflow_database, mlflow_files

    # A third of the import time would go into collections that find nothing: modules stay for good.
    gc.disable()
    governor = Governor(paths)
    app = create_app(governor)
    mlflow_database.ensure_tables(paths.database, ARTIFACT_ROOT, _scratch(paths))
    governor.install()
    with governor.transaction() as connection:
        mlflow_files.sweep(connection, paths)
    _open_stores()
    gc.enable()
    gc.freeze()
    return app


def _open_stores() -> None:
    from mlflow.server import handlers

    # Opened before we say that we are ready: the first request then meets no set-up, and a failure shows at start.
    handlers.initialize_backend_stores()


if __name__ == "__main__":
    sys.exit(main())
