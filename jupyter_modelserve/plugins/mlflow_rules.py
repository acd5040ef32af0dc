"""Which of MLflow's addresses are served, as one pure function: default deny.

MLflow's server does much more than tracking and registry: it calls model providers with stored secrets (AI gateway,
assistant, prompt optimisation, online scoring), runs jobs, and posts to addresses that a caller names (webhooks). All
of that would run with the rights of the local user, so only what is listed here is answered.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from jupyter_modelserve.addresses import Owner, find

SERVED: Final = frozenset(
    {
        "artifacts",
        "datasets",
        "experiments",
        "get-trace-artifact",
        "issues",
        "label-schemas",
        "logged-models",
        "metrics",
        "model-versions",
        "registered-models",
        "review-queues",
        "runs",
        "scorers",
        "server-info",
        "traces",
    }
)
"""The segment behind ``…/mlflow/``: rows and files of tracking and registry."""

_REFUSED: Final = frozenset(
    {
        ("artifacts", "presigned-download-url"),
        ("artifacts", "presigned-upload-url"),
        ("issues", "invoke"),
        ("runs", "create-promptlab-run"),
        ("scorers", "online-config"),
        ("scorers", "online-configs"),
    }
)
"""Operations below a served segment that call a model provider, run code, or lead past the rules for files."""

_SERVER_SIDE_SCHEMES: Final = frozenset({"", "file", "http", "https", "ftp", "sftp", "models"})


def is_served(path: str) -> bool:
    """Whether *path* (percent-decoded) is one of MLflow's that we answer."""
    if path == "/health":
        return True
    row = find(path)
    if row is None or row.owner is not Owner.MLFLOW:
        return False
    if not row.path.endswith("/mlflow/"):
        return True
    segments = path.removeprefix(row.path).split("/")
    return segments[0] in SERVED and tuple(segments[:2]) not in _REFUSED


REGISTRY: Final = "registry"
"""First segment of the artifact addresses of registered versions."""


def parts_of(path: str) -> list[str]:
    """The segments of an artifact path, decoded until nothing changes, as the file system would see them."""
    while (decoded := unquote(path)) != path:
        path = decoded
    return [each for each in path.replace("\\", "/").split("/") if each not in {"", "."}]


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
"""What is no scheme is a local path for MLflow, however much it looks like one (``x y:/…``)."""


def location_problem(location: str) -> str | None:
    """Why an experiment may not keep its artifacts at *location*, or ``None``.

    MLflow's server lists the files of such a place itself: with a local path a token would read any directory of
    this user's, with a web address it would reach any host.
    """
    found = _SCHEME.match(location)
    scheme = found.group(1).lower() if found else ""
    odd = not location.isprintable() or any(part == ".." for part in location.replace("\\", "/").split("/"))
    if found and scheme == "mlflow-artifacts" and not odd:
        parts = parts_of(urlsplit(location).path)
        if not parts or parts[0].casefold() == REGISTRY or urlsplit(location).netloc:
            return "artifact_location may not lie where registered versions are kept; leave it out"
    if found and scheme not in _SERVER_SIDE_SCHEMES and not odd:
        return None
    return (
        f"artifact_location with the scheme {scheme or 'file'!r} is not allowed here; leave it out, and the artifacts "
        "are kept by this server"
    )
