"""Writes a model into a directory in MLflow's format, with an explicit signature and requirements.

Everything that can fail fails here, before the instance hears of the model, so that no half registered model stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from jupyter_modelserve.authoring import requirements, serialize
from jupyter_modelserve.authoring.example import Example
from jupyter_modelserve.authoring.flavors import Flavor, predict
from jupyter_modelserve.errors import InvalidParameter


@dataclass(frozen=True)
class Options:
    """What the user said about saving; ``None`` means that we decide."""

    signature: Any = None
    pip_requirements: Sequence[str] | None = None
    extra_pip_requirements: Sequence[str] | None = None
    code_paths: Sequence[str] | None = None


@dataclass(frozen=True)
class Saved:
    """A model on disk."""

    directory: Path
    signature: Any
    requirements: tuple[str, ...]
    warnings: tuple[str, ...]


def save(model: Any, flavor: Flavor, example: Example, options: Options, directory: Path) -> Saved:
    """Write *model* into *directory*, which must not exist.

    Raises:
        InvalidParameter: the model cannot predict its example, or its library cannot write it; the cause is named.
    """
    code_paths = [str(Path(each).expanduser()) for each in options.code_paths or ()] or None
    signature = options.signature or _signature(model, flavor, example)
    arguments = _format(model, flavor, example)
    with serialize.by_value(model, code_paths):
        pins, warnings = _requirements(model, flavor, arguments, options)
        arguments |= {
            "path": str(directory),
            "signature": signature,
            "input_example": example.kept,
            "code_paths": code_paths,
            "pip_requirements": pins,
        }
        _write(model, flavor, arguments)
    written = _load(directory)
    found = written.signature
    if found is None and example.kept is not None:
        warnings = [
            *warnings,
            "MLflow could not infer a signature from the example; pass signature, or requests are not checked",
        ]
    return Saved(directory, found, _read_requirements(directory), tuple(warnings))


def _format(model: Any, flavor: Flavor, example: Example) -> dict[str, Any]:
    if flavor.name == "sklearn":
        return serialize.sklearn_arguments(model)
    return serialize.pytorch_arguments(example.kept) if flavor.name == "pytorch" else {}


def _signature(model: Any, flavor: Flavor, example: Example) -> Any:
    if example.data is None or not flavor.predicts_in_process:
        return None
    from mlflow.models import infer_signature

    try:
        answer = predict(model, flavor, example.kept)
    except Exception as error:
        raise InvalidParameter(
            f"the model cannot predict its own input example: {type(error).__name__}: {_first_line(error)}",
            details={"field": "input_example"},
        ) from error
    return infer_signature(example.data, _labels(answer))


def _labels(answer: Any) -> Any:
    """An array of labels as a list: its signature then says string, where an array's says object."""
    if type(answer).__name__ == "ndarray" and answer.ndim == 1 and answer.dtype.kind in "OU":
        return answer.tolist()
    return answer


def _requirements(
    model: Any, flavor: Flavor, arguments: dict[str, Any], options: Options
) -> tuple[list[str], list[str]]:
    if options.pip_requirements is not None:
        pins, warnings = list(options.pip_requirements), list[str]()
    else:
        pins, warnings = requirements.infer(model, flavor, arguments)
    return [*pins, *(options.extra_pip_requirements or ())], warnings


def _write(model: Any, flavor: Flavor, arguments: dict[str, Any]) -> None:
    module = import_module(f"mlflow.{flavor.name}")
    try:
        if flavor.name == "pyfunc":
            module.save_model(python_model=model, **arguments)
        elif flavor.name == "pytorch":
            with serialize.evaluating(model):
                module.save_model(model, **arguments)
        else:
            module.save_model(model, **arguments)
    except Exception as error:
        if arguments.get("serialization_format") == "pt2":
            # Not every PyTorch model is a graph; for example its way may depend on its data.
            shutil.rmtree(arguments["path"], ignore_errors=True)
            _write(model, flavor, arguments | {"serialization_format": "pickle"})
            return
        raise InvalidParameter(
            f"this {type(model).__name__} cannot be saved: {_first_line(error)}", details={"field": "model"}
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]


def _load(directory: Path) -> Any:
    from mlflow.models import Model

    return Model.load(str(directory))


def _read_requirements(directory: Path) -> tuple[str, ...]:
    path = directory / "requirements.txt"
    return tuple(path.read_text(encoding="utf-8").split("\n")) if path.is_file() else ()


def stamp(directory: Path, model_id: str, run_id: str | None, location: str) -> None:
    """Write the identity that the instance gave the model into its MLmodel file."""
    written = _load(directory)
    written.model_id = model_id
    written.model_uuid = model_id
    written.run_id = run_id
    written.artifact_path = location
    written.save(str(directory / "MLmodel"))
