"""From a model's files to what it declares: requirements.txt, conda.yaml, python_env.yaml and MLmodel together.

requirements.txt wins over the pip part of conda.yaml, as it does in MLflow; Python comes from python_env.yaml, then
conda.yaml, then MLmodel. A serving environment needs MLflow's loader, so it is added when the model names none
(REQ-142).
"""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement
from packaging.version import InvalidVersion, Version

from jupyter_modelserve.controller.environments.conda import Conda, check_packages, load_yaml, read_conda
from jupyter_modelserve.controller.environments.declared import MLFLOW, Declared, Entry, plain
from jupyter_modelserve.controller.environments.reqfile import Reader, unsupported

_PYTHON = re.compile(r"^\d+\.\d+(\.\d+)?")
_OLDEST = (3, 8)


def read_requirements(directory: Path) -> Declared:
    """What the MLflow model in *directory* declares. Blocking: call it in a thread.

    Raises:
        EnvironmentFailed: no MLmodel, or something that cannot be honoured; the message names file and line.
    """
    root = directory.resolve()
    mlmodel = load_yaml(root / "MLmodel")
    named = _environment_files(mlmodel)
    reader = Reader(root)
    conda_path = _file(root, named.get("conda", "conda.yaml"))
    conda = read_conda(conda_path) if conda_path else Conda()
    virtual_path = _file(root, named.get("virtualenv", "python_env.yaml"))
    virtual = load_yaml(virtual_path) if virtual_path else {}
    reader.found.warnings += conda.warnings
    _collect(root, reader, conda, virtual, _text(mlmodel.get("mlflow_version")))
    entries = tuple(reader.found.entries)
    python = _python(virtual, conda, mlmodel, reader.found.warnings)
    declared = Declared(
        python=python,
        entries=entries,
        constraints=tuple(reader.found.constraints),
        options=reader.found.options(),
        build=_build(virtual, conda),
    )
    check_packages(conda, declared.names)
    declared = _with_mlflow(declared, _text(mlmodel.get("mlflow_version")))
    return replace(declared, warnings=tuple(reader.found.warnings))


def _collect(root: Path, reader: Reader, conda: Conda, virtual: dict[str, Any], mlflow_version: str) -> None:
    file = _file(root, "requirements.txt")
    listed = virtual.get("dependencies")
    if file:
        reader.read_file(file)
    elif conda.pip:
        for number, line in enumerate(conda.pip, start=1):
            reader.read_line(line.strip(), f"conda.yaml pip item {number}", root)
    elif isinstance(listed, list) and listed:
        for number, line in enumerate(listed, start=1):
            reader.read_line(str(line).strip(), f"python_env.yaml dependency {number}", root)
    elif not conda.packages:
        reader.found.entries.append(plain(_pinned("mlflow", mlflow_version)))
        reader.found.warnings.append(
            "the model has neither requirements.txt nor conda.yaml; only MLflow is installed. If it needs more, log it "
            "again with pip_requirements=[...]"
        )


def _with_mlflow(declared: Declared, version: str) -> Declared:
    """Add what serving needs. ``mlflow-skinny`` brings ``mlflow.pyfunc``, which imports pandas without requiring it."""
    added: list[Entry] = []
    if not declared.names & MLFLOW:
        added.append(plain(_pinned("mlflow-skinny", version)))
    if not declared.names & {"mlflow", "pandas"}:
        added.append(plain("pandas"))
    if declared.options.require_hashes and added:
        raise unsupported(
            "requirements.txt demands hashes for everything but names no mlflow, which serving needs",
            "Add mlflow (or mlflow-skinny and pandas) with its hash to the requirements and log the model again.",
        )
    return replace(declared, entries=(*declared.entries, *added))


def _pinned(name: str, version: str) -> str:
    try:
        parsed = Version(version)
    except InvalidVersion:
        return name
    # A development build is in no index.
    return name if parsed.is_devrelease or parsed.local else f"{name}=={version}"


def _python(virtual: dict[str, Any], conda: Conda, mlmodel: dict[str, Any], warnings: list[str]) -> str:
    flavor = (mlmodel.get("flavors") or {}).get("python_function") or {}
    for text in (_text(virtual.get("python")), conda.python, _text(flavor.get("python_version"))):
        match = _PYTHON.match(text)
        if match is None:
            continue
        if tuple(int(part) for part in match[0].split(".")[:2]) < _OLDEST:
            raise unsupported(
                f"the model was logged with Python {match[0]}; models are served with Python 3.8 or newer",
                "Log the model again with a newer Python.",
            )
        return match[0]
    warnings.append(f"the model does not say its Python version; {platform.python_version()} is used")
    return platform.python_version()


def _environment_files(mlmodel: dict[str, Any]) -> dict[str, str]:
    """File names by kind. MLflow 2 writes a mapping, MLflow 1 one string that means conda."""
    flavors = mlmodel.get("flavors")
    flavor = flavors.get("python_function") if isinstance(flavors, dict) else None
    env = flavor.get("env") if isinstance(flavor, dict) else None
    if isinstance(env, str):
        return {"conda": env}
    return {str(kind): str(name) for kind, name in env.items() if name} if isinstance(env, dict) else {}


def _build(virtual: dict[str, Any], conda: Conda) -> tuple[Entry, ...]:
    """The setuptools that is pinned, else one that still has pkg_resources, which MLflow before 2.9 and others import.

    conda and virtualenv put setuptools into every environment, so no model ever declared it; uv does not.
    """
    listed = virtual.get("build_dependencies")
    texts = [str(each) for each in listed] if isinstance(listed, list) else []
    for text in (*texts, conda.setuptools):
        try:
            entry = plain(text)
        except InvalidRequirement:
            continue
        if entry.name == "setuptools" and entry.requirement and entry.requirement.specifier:
            return (entry,)
    return (plain("setuptools<81"),)


def _file(root: Path, name: str) -> Path | None:
    path = (root / name).resolve()
    return path if path.is_relative_to(root) and path.is_file() else None


def _text(value: object) -> str:
    return "" if value is None else str(value)
