"""What a version says about itself: signature, input example, requirements and the MLmodel file (REQ-146).

Only the small text files that MLflow writes beside a model are read; nothing is loaded, and nothing is downloaded just
because somebody looks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from jupyter_modelserve.types import ModelVersion

LARGEST: Final = 256 * 1024
"""Bytes of a file that are shown."""
_EXAMPLE: Final = "serving_input_example.json"
_MOST_FILES: Final = 500


@dataclass(frozen=True, slots=True)
class VersionFile:
    """A file of a version: path below its directory, size in bytes."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class VersionDetail:
    """A version with what its files say. ``problem`` tells in one sentence why they cannot be read.

    ``signature`` has the lists ``inputs``, ``outputs`` and ``params`` as MLflow writes them, or is null;
    ``example`` is a request body that the model takes, or null.
    """

    version: ModelVersion
    problem: str = ""
    flavors: tuple[str, ...] = ()
    python_version: str = ""
    mlflow_version: str = ""
    signature: dict[str, Any] | None = None
    example: Any = None
    requirements: str = ""
    mlmodel: str = ""
    files: tuple[VersionFile, ...] = field(default=())


def read_detail(version: ModelVersion, directory: Path) -> VersionDetail:
    """Read the files in *directory*; blocks. A file that is missing or damaged leaves its field empty."""
    root = directory.resolve()
    mlmodel = _text(root, "MLmodel")
    declared = _mapping(mlmodel)
    flavors = declared.get("flavors") if isinstance(declared.get("flavors"), dict) else {}
    pyfunc = flavors.get("python_function") if isinstance(flavors, dict) else None
    return VersionDetail(
        version=version,
        problem="" if mlmodel else "the files of this version are missing from the artifact store",
        flavors=tuple(str(each) for each in flavors or () if each != "python_function"),
        python_version=str(pyfunc.get("python_version", "")) if isinstance(pyfunc, dict) else "",
        mlflow_version=str(declared.get("mlflow_version", "")),
        signature=_signature(declared.get("signature")),
        example=_json(_text(root, _EXAMPLE)),
        requirements=_text(root, "requirements.txt"),
        mlmodel=mlmodel,
        files=_files(root),
    )


def _text(root: Path, name: str) -> str:
    path = (root / name).resolve()
    if not path.is_relative_to(root) or not path.is_file() or path.stat().st_size > LARGEST:
        return ""
    return path.read_text(encoding="utf-8", errors="replace")


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return found if isinstance(found, dict) else {}


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _signature(written: Any) -> dict[str, Any] | None:
    """MLflow writes each part as JSON text inside the YAML."""
    if not isinstance(written, dict):
        return None
    parts = {name: written.get(name) for name in ("inputs", "outputs", "params")}
    return {name: (_json(part) if isinstance(part, str) else part) or [] for name, part in parts.items()}


def _files(root: Path) -> tuple[VersionFile, ...]:
    found: list[VersionFile] = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found.append(VersionFile(path.relative_to(root).as_posix(), path.stat().st_size))
        if len(found) >= _MOST_FILES:
            break
    return tuple(found)
