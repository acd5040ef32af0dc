"""Which run of which notebook made a version: told by the environment, so that no notebook has to say it.

``jupyter modelserve run`` puts these tags into MLflow's own variable for run tags, so that runs started with
``mlflow.start_run`` get them as well; versions get them from ``register``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Final

VARIABLE: Final = "MLFLOW_RUN_CONTEXT"
NOTEBOOK: Final = "modelserve.notebook.path"
OUTPUT: Final = "modelserve.notebook.output"
PARAMETERS: Final = "modelserve.notebook.parameters"
RUN: Final = "modelserve.notebook.run"
_PREFIX: Final = "modelserve.notebook."
_LONGEST: Final = 5000
"""MLflow refuses longer tags of a run."""


def tags(notebook: str, output: str, run: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The tags of one run: absolute paths, the run's id, and the given parameters as JSON (a digest of long ones)."""
    text = json.dumps(parameters, ensure_ascii=False, sort_keys=True)
    if len(text) > _LONGEST:
        text = json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "names": sorted(parameters)[:50]})
    return {NOTEBOOK: notebook, OUTPUT: output, RUN: run, PARAMETERS: text}


def variable(found: Mapping[str, str]) -> str:
    """The value for :data:`VARIABLE`; tags that somebody else has put there stay."""
    return json.dumps({**_read(), **found})


def current() -> dict[str, str]:
    """The tags of the run that this kernel belongs to; empty in a notebook that somebody works in."""
    return {key: value for key, value in _read().items() if key.startswith(_PREFIX)}


def _read() -> dict[str, str]:
    try:
        found = json.loads(os.environ.get(VARIABLE) or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
