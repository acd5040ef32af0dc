"""What is usable of a model's conda.yaml: Python, the pip part, and what its channels mean for the user.

Conda itself is never run. Packages that only a conda channel can give are a clear error that names the remedy
(REQ-050), and the ``defaults`` channel is pointed out because of its licence (REQ-052, REQ-053, REQ-139).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name

from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.reqfile import unsupported
from jupyter_modelserve.types import Cause, Failure

_TERMS = re.compile(r"^(defaults|anaconda|main|r|msys2)$|repo\.anaconda\.(com|cloud)|pkgs/(main|r|msys2|free)")
_SPEC = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)\s*(?P<spec>.*)$")
_EXACT = re.compile(r"^=?=?\s*(?P<version>\d+\.\d+(\.\d+)?)(\.\*|=.*)?$")
_PIP_LIKE = re.compile(r"==|@|\.whl$|~=|://")
_TOOLS = frozenset({"pip", "wheel", "ca-certificates"})
"""Present in every environment, or without meaning in one made by uv."""


@dataclass
class Conda:
    """What a conda.yaml says. ``packages`` are conda's own, name → as written; ``python`` e.g. ``3.10.11`` or empty."""

    python: str = ""
    pip: list[str] = field(default_factory=list)
    packages: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    setuptools: str = ""


def read_conda(path: Path) -> Conda:
    """Read a conda.yaml.

    Raises:
        EnvironmentFailed: it is not valid YAML of the expected form; names the line.
    """
    value = load_yaml(path)
    dependencies = value.get("dependencies") or []
    channels = value.get("channels") or []
    if not isinstance(dependencies, list) or not isinstance(channels, list):
        raise unsupported(f"{path.name}: channels and dependencies must be lists", _HINT)
    found = Conda()
    _read_channels([str(each) for each in channels], found)
    in_pip = False
    for each in dependencies:
        if isinstance(each, dict) and set(each) == {"pip"}:
            listed = each["pip"] or []
            if not isinstance(listed, list):
                raise unsupported(f"{path.name}: the pip part must be a list", _HINT)
            found.pip += [str(item) for item in listed]
            in_pip = not listed
        elif not isinstance(each, str):
            raise unsupported(f"{path.name}: {str(each)[:80]!r} is not a dependency", _HINT)
        elif in_pip and _PIP_LIKE.search(each):
            found.pip.append(each)
        else:
            _read_package(each, found)
    if in_pip and found.pip:
        found.warnings.append(f"the pip part of {path.name} is not indented; the lines below it count as its content")
    return found


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping of the model.

    Raises:
        EnvironmentFailed: unreadable, not YAML, or no mapping; names file and line.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except OSError:
        message = f"{path.name} is missing or cannot be read"
        raise EnvironmentFailed(Failure(Cause.ARTIFACTS_MISSING, message, "Log the model again.")) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark is not None else ""
        raise unsupported(f"{path.name} is not valid YAML{line}", _HINT) from None
    if not isinstance(value, dict):
        raise unsupported(f"{path.name} must be a mapping", _HINT)
    return value


def check_packages(conda: Conda, named: frozenset[str]) -> None:
    """Refuse conda packages that no pip requirement (*named*, canonical) covers.

    Raises:
        EnvironmentFailed: names them and the remedy.
    """
    missing = [text for name, text in sorted(conda.packages.items()) if name not in named]
    if not missing:
        return
    suggestion = ", ".join(f'"{_as_pip(each)}"' for each in missing)
    raise unsupported(
        f"conda.yaml asks for conda packages that cannot be installed without conda: {', '.join(missing)}",
        f"Log the model again with their pip names, for example extra_pip_requirements=[{suggestion}], or name them "
        "in the pip: part of conda_env. Libraries that exist only in conda need the interpreter that registered the "
        "model.",
    )


def _read_channels(channels: list[str], found: Conda) -> None:
    named = [each for each in channels if _TERMS.search(each)]
    if named:
        found.warnings.append(
            f"conda.yaml names the channel {', '.join(named)} (repo.anaconda.com), whose terms may ask for a licence. "
            "Nothing is taken from it here. To change it, register the model again with a new conda.yaml: "
            'log_model(..., conda_env={"channels": ["conda-forge"], "dependencies": [...]})'
        )


def _read_package(text: str, found: Conda) -> None:
    text = text.strip().rpartition("::")[2]
    match = _SPEC.match(text)
    if match is None:
        raise unsupported(f"conda.yaml: {text[:80]!r} is not a package", _HINT)
    name, spec = canonicalize_name(match["name"]), match["spec"].strip()
    exact = _EXACT.match(spec)
    if name == "python":
        found.python = exact["version"] if exact else found.python
    elif name == "setuptools":
        full = exact is not None and exact["version"].count(".") == 2
        found.setuptools = f"setuptools=={exact['version']}" if exact and full else "setuptools"
    elif name not in _TOOLS:
        found.packages[name] = text


def _as_pip(text: str) -> str:
    match = _SPEC.match(text)
    exact = _EXACT.match(match["spec"].strip()) if match else None
    return f"{match['name']}=={exact['version']}" if match and exact else text


_HINT = "Correct it and log the model again with conda_env=... or pip_requirements=[...]."
