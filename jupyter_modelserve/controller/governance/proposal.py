"""A description proposed from what the registry knows: signature, metrics, origin (REQ-101). Nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from jupyter_modelserve.controller.registry.detail import VersionDetail

_SHOWN = 12


def propose(detail: VersionDetail, metrics: Mapping[str, float], params: Mapping[str, str]) -> str:
    """Markdown of some lines that a person edits and saves."""
    version = detail.version
    what = ", ".join(detail.flavors) or "Python"
    lines = [
        f"**{version.model}**, a {what} model" + (f" for {version.tags['task']}" if "task" in version.tags else "")
    ]
    signature = detail.signature or {}
    lines += _columns("Takes", signature.get("inputs") or ())
    lines += _columns("Answers", signature.get("outputs") or ())
    if metrics:
        lines.append("Metrics of its run: " + _listed(f"{key} {value:.4g}" for key, value in sorted(metrics.items())))
    if params:
        lines.append("Parameters: " + _listed(f"{key}={value}" for key, value in sorted(params.items())))
    if version.source.startswith("models:/") and not version.source.startswith("models:/m-"):
        lines.append(f"Copied from {version.source.removeprefix('models:/')}.")
    if detail.python_version:
        lines.append(f"Made with Python {detail.python_version}, MLflow {detail.mlflow_version}.")
    return "\n\n".join(lines)


def _columns(word: str, columns: Iterable[Any]) -> list[str]:
    found = [each for each in columns if isinstance(each, dict)]
    if not found:
        return []
    tensor = [each for each in found if each.get("type") == "tensor"]
    if tensor:
        spec = tensor[0].get("tensor-spec", {})
        shape = " × ".join("n" if each == -1 else str(each) for each in spec.get("shape", ()))
        return [f"{word} an array of {spec.get('dtype', 'numbers')}, {shape}."]
    return [f"{word} " + _listed(f"`{each.get('name', 'value')}` ({each.get('type', '?')})" for each in found)]


def _listed(parts: Iterable[str]) -> str:
    shown = list(parts)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more + "."


def of_run(connection: Connection, run_id: str) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics and parameters of a run; empty when it is gone."""
    try:
        metrics = connection.execute(text("SELECT key, value FROM latest_metrics WHERE run_uuid = :id"), {"id": run_id})
        found = {str(row.key): float(row.value) for row in metrics}
        params = connection.execute(text("SELECT key, value FROM params WHERE run_uuid = :id"), {"id": run_id})
        return found, {str(row.key): str(row.value) for row in params}
    except OperationalError:
        return {}, {}
