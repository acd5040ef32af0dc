"""Reads the ``config`` of MLflow's deployment calls: what belongs to a deployment, its endpoint, or the call.

Values are what Python callers give, or texts, as ``mlflow deployments -C name=value`` gives them. Names that the Azure
plugin uses for the same things are understood; what cannot be done here is refused with what to do instead (REQ-155).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.errors import InvalidParameter

TIMEOUT: Final = 600.0
DEPLOYMENT: Final = (
    *("traffic", "workload_size", "workload_type", "replicas", "min_replicas", "max_replicas"),
    *("scale_to_zero", "cores", "memory_gb"),
)
ENDPOINT: Final = ("engine", "environment_vars", "secrets", "tags", "request_timeout", "unknown_columns")
_CALL: Final = ("wait", "timeout")
_SYNONYMS: Final = {"instance_count": "replicas", "environment_variables": "environment_vars"}
_FILES: Final = ("deploy-config-file", "endpoint-config-file")
_MAPPINGS: Final = frozenset({"environment_vars", "tags"})
_SCRIPT: Final = (
    "a script is deployed as a model, together with its environment: "
    "mlflow.pyfunc.log_model(python_model='score.py', pip_requirements=[…], registered_model_name=…)"
)
_INSTEAD: Final = {
    "scoring_script": _SCRIPT,
    "code_configuration": _SCRIPT,
    "environment": "the environment is the one that the model was registered with; register a version with another one",
    "instance_type": "use workload_size (Small, Medium, Large), or cores and memory_gb",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A config, sorted. ``deployment`` and ``endpoint`` hold fields of ServedEntity and EndpointSpec (JSON values)."""

    deployment: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    wait: bool = True
    timeout: float = TIMEOUT


def read(config: Mapping[str, Any] | None) -> Words:
    """Sort a config.

    Raises:
        InvalidParameter: an unknown name or an unusable value; says what would do.
    """
    values = _named(config)
    return Words(
        deployment={name: values[name] for name in DEPLOYMENT if name in values},
        endpoint={name: values[name] for name in ENDPOINT if name in values},
        wait=_truth("wait", values.get("wait", True)),
        timeout=_seconds(values.get("timeout", TIMEOUT)),
    )


def _named(config: Mapping[str, Any] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in _with_files(config or {}).items():
        known = _SYNONYMS.get(name, name)
        if known in _INSTEAD:
            raise _wrong(name, _INSTEAD[known])
        if known not in {*DEPLOYMENT, *ENDPOINT, *_CALL}:
            raise _wrong(name, _unknown(name))
        if known in found:
            raise _wrong(name, f"is given twice (as {known} too)")
        found[known] = _value(known, value)
    return found


def _with_files(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with what its files say; what is given beside them counts more."""
    if not isinstance(config, Mapping):
        raise InvalidParameter("config: must be a dictionary", details={"field": "config"})
    found: dict[str, Any] = {}
    for name in _FILES:
        if name in config:
            found.update(_file(name, Path(str(config[name]))))
    return found | {str(name): value for name, value in config.items() if name not in _FILES and value is not None}


def _file(name: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(name, f"{path} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise _wrong(name, f"{path} is no JSON") from error
    if not isinstance(found, dict):
        raise _wrong(name, f"{path} must hold a JSON object")
    return found


def _value(name: str, value: Any) -> Any:
    if name in _MAPPINGS or (name == "traffic" and isinstance(value, str) and value.lstrip().startswith("{")):
        return _mapping(name, value)
    if name == "secrets":
        names = [each.strip() for each in value.split(",")] if isinstance(value, str) else list(value)
        return [str(each) for each in names if each]
    if name == "workload_size" and isinstance(value, str):
        return value.capitalize()
    return value


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise _wrong(name, 'must be a JSON object, such as {"name": "value"}') from error
    if not isinstance(value, Mapping):
        raise _wrong(name, "must map names to values")
    return {str(key): each if name == "traffic" else str(each) for key, each in value.items()}


def _truth(name: str, value: Any) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False}
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise _wrong(name, "must be true or false")
    return found


def _seconds(value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError) as error:
        raise _wrong("timeout", "must be a number of seconds") from error
    if not 0 < found < float("inf"):
        raise _wrong("timeout", "must be more than 0 seconds")
    return found


def _unknown(name: str) -> str:
    known = [*DEPLOYMENT, *ENDPOINT, *_CALL, *_FILES]
    close = difflib.get_close_matches(name, known, 1)
    return f"is unknown; did you mean {close[0]}?" if close else f"is unknown; known are {', '.join(known)}"


def _wrong(name: str, problem: str) -> InvalidParameter:
    return InvalidParameter(f"config {name}: {problem}", details={"field": name})
