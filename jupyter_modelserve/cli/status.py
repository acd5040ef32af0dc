"""``status``: both daemons as one thing, then the endpoints with their states and addresses."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING, Any

from jupyter_modelserve import launcher
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import to_json

if TYPE_CHECKING:
    from jupyter_modelserve.types import Endpoint, InstanceStatus


def status(arguments: argparse.Namespace) -> int:
    """Print the status; exit code 1 when nothing runs, so that scripts can ask."""
    paths = Paths.default()
    if not os.environ.get("MODELSERVE_URL") and launcher.find(paths) is None:
        known = launcher.identity.read(paths)
        return _not_running(arguments.json, known.url if known else None)
    from jupyter_modelserve.cli.connection import connect

    with connect() as client:
        found, endpoints = client.status(), client.endpoints()
    if arguments.json:
        print(json.dumps({"status": to_json(found), "endpoints": to_json(endpoints)}, indent=2))
    else:
        print("\n".join(_lines(found, endpoints)))
    return 0


def _not_running(as_json: bool, url: str | None) -> int:
    if as_json:
        print(json.dumps({"status": None, "endpoints": [], "url": url}, indent=2))
    else:
        print(f"not running{f' (its address is {url})' if url else ''}; start it with `jupyter modelserve up`")
    return 1


def _lines(found: InstanceStatus, endpoints: list[Endpoint]) -> list[str]:
    parts = {"gateway": found.gateway, "controller": found.controller, "MLflow": found.mlflow}
    odd = [f"{name} {part.state}" for name, part in parts.items() if part.state != "running"]
    lines = [
        f"{'running' if not odd else 'running, but ' + ', '.join(odd)} at {found.url}",
        f"  version {found.version}, up {_ago(found.controller.started_at)}",
        f"  {found.engine} engine; isolation: {found.isolation[:1].lower()}{found.isolation[1:]}",
    ]
    if not endpoints:
        return [*lines, "no endpoints; serve a model with %serve"]
    rows = [row for endpoint in endpoints for row in _rows(endpoint)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return lines + [
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows
    ]


def _rows(endpoint: Endpoint) -> list[tuple[str, str, str, str]]:
    from jupyter_modelserve.client.results import reason

    status = endpoint.status
    change = "stopping" if endpoint.deleting else status.update.value
    message = reason(status)
    urls: tuple[Any, ...] = status.urls or ("",)
    rows = [(endpoint.spec.name, status.service.value, change, str(urls[0]))]
    rows += [("", "", "", str(url)) for url in urls[1:]]
    rows += [("", "", "", message)] if message else []
    return rows


def _ago(milliseconds: int) -> str:
    seconds = max(0, int(time.time() - milliseconds / 1000))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
