"""``up`` and ``down``."""

from __future__ import annotations

import argparse
import time

from jupyter_modelserve import launcher
from jupyter_modelserve.settings import Paths


def up(arguments: argparse.Namespace) -> int:
    """Start what is missing; print the address and what to do next."""
    paths = Paths.default()
    ran = launcher.find(paths) is not None
    begun = time.monotonic()
    instance = launcher.ensure(paths, timeout=arguments.timeout, port=arguments.port)
    print(f"already running at {instance.url}" if ran else f"running at {instance.url} after {_since(begun)}")
    print("  notebook  %load_ext jupyter_modelserve, then %register, %serve and %score")
    print(f"  MLflow    export MLFLOW_TRACKING_URI={instance.url} MLFLOW_TRACKING_TOKEN=$(jupyter modelserve token)")
    print(f'  curl      curl -H "Authorization: Bearer $(jupyter modelserve token)" {instance.url}/metrics')
    return 0


def down(arguments: argparse.Namespace) -> int:
    """Stop everything; not an error when nothing runs."""
    begun = time.monotonic()
    stopped = launcher.stop(Paths.default(), timeout=arguments.timeout)
    print(f"stopped after {_since(begun)}" if stopped else "nothing was running")
    return 0


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s"
