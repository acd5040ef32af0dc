"""``image export`` and ``image dockerfile``: a model that runs anywhere, without this product beside it."""

from __future__ import annotations

import argparse
import subprocess
import sys

from jupyter_modelserve import names
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import Paths


def export(arguments: argparse.Namespace) -> int:
    """Make a self-contained image; its name is the only line on standard output."""
    model, version = _split(arguments.model)
    return _run("export", model, version, arguments.tag or f"{model.lower()}:{version.lower()}")


def dockerfile(arguments: argparse.Namespace) -> int:
    """Write a Dockerfile with all that it needs."""
    return _run("dockerfile", *_split(arguments.model), arguments.directory)


def _split(reference: str) -> tuple[str, str]:
    model, segment = names.split_reference(reference)
    if segment is None:
        raise InvalidParameter(f"which version? {model}/2 or {model}@alias", details={"field": "model"})
    return model, segment.value


def _run(*arguments: str) -> int:
    home = str(Paths.default().home)
    # A program of the controller's: nothing of it may be imported here.
    command = [sys.executable, "-m", "jupyter_modelserve.controller.exporting", *arguments, "--home", home]
    return subprocess.run(command, check=False).returncode
