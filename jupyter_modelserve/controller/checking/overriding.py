"""Tries other requirements or another Python without changing the model: other environment files in a copy of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jupyter_modelserve.checked import Overrides
from jupyter_modelserve.controller.environments.conda import load_yaml, read_conda
from jupyter_modelserve.controller.environments.requirements import _environment_files
from jupyter_modelserve.errors import InvalidParameter

_PYTHON: Final = re.compile(r"^\d+\.\d+(\.\d+)?$")
_LONGEST: Final = 300
_MOST: Final = 100
_NAME: Final = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def checked(overrides: Overrides) -> Overrides:
    """*overrides* when they can be tried.

    Only plain requirements: an option, path or URL would make the instance read what the caller may not.

    Raises:
        InvalidParameter: names the field and the value.
    """
    for field, values in (("requirements", overrides.requirements), ("remove", overrides.remove)):
        if len(values) > _MOST:
            raise InvalidParameter(f"{field}: at most {_MOST}", details={"field": field})
        for each in values:
            if _plain(each) is None:
                raise InvalidParameter(
                    f"{field}: {each[:80]!r} is no plain requirement such as scikit-learn==1.5.0",
                    details={"field": field},
                )
    if overrides.python and not _PYTHON.match(overrides.python):
        raise InvalidParameter(
            f"python: {overrides.python[:20]!r} is no version such as 3.10", details={"field": "python"}
        )
    return overrides


def _plain(text: str) -> Requirement | None:
    try:
        found = Requirement(text) if len(text) <= _LONGEST and text.isprintable() else None
    except InvalidRequirement:
        return None
    return None if found is None or found.url else found


def apply(copy: Path, overrides: Overrides) -> None:
    """Let *copy*, a model's files or links to them, declare what *overrides* say.

    Blocking: call it in a thread.

    Raises:
        EnvironmentFailed: its environment files cannot be read. OSError: no space, no right.
    """
    declared = load_yaml(copy / "MLmodel")
    if overrides.requirements or overrides.remove:
        lines = [*_kept(_declared_lines(copy, declared), overrides)]
        _replace(copy / "requirements.txt", "".join(f"{line}\n" for line in (*lines, *overrides.requirements)))
    if overrides.python:
        path = _named(copy, declared, "virtualenv", "python_env.yaml")
        virtual = load_yaml(path) if path.is_file() else {}
        _replace(path, yaml.safe_dump({**virtual, "python": overrides.python}))


def _declared_lines(copy: Path, declared: Mapping[str, Any]) -> list[str]:
    """The requirement lines that count: requirements.txt, else the pip part of conda.yaml, else MLflow alone."""
    path = copy / "requirements.txt"
    if path.is_file():
        return path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    conda = _named(copy, declared, "conda", "conda.yaml")
    found = read_conda(conda).pip if conda.is_file() else []
    version = declared.get("mlflow_version")
    return found or [f"mlflow=={version}" if version else "mlflow"]


def _named(copy: Path, declared: Mapping[str, Any], kind: str, usual: str) -> Path:
    """The environment file that MLmodel names, as long as it lies in the model."""
    path = (copy / _environment_files(dict(declared)).get(kind, usual)).resolve()
    return path if path.is_relative_to(copy.resolve()) else copy / usual


def _kept(lines: Iterable[str], overrides: Overrides) -> Iterator[str]:
    names = {
        canonicalize_name(found.name) for found in map(_plain, (*overrides.requirements, *overrides.remove)) if found
    }
    for line in lines:
        name = _NAME.match(line.strip())
        if name is None or canonicalize_name(name[0]) not in names:
            yield line


def _replace(path: Path, text: str) -> None:
    # What lies there may be a link to the model's own file.
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
