"""Which notebook, cell and run of it made a version: told by environment and kernel, so that no notebook has to say it.

``jupyter modelserve run`` puts these tags into MLflow's own variable for run tags, so that runs started with
``mlflow.start_run`` get them as well; versions get them from ``register``.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "MLFLOW_RUN_CONTEXT"
NOTEBOOK: Final = "modelserve.notebook.path"
OUTPUT: Final = "modelserve.notebook.output"
PARAMETERS: Final = "modelserve.notebook.parameters"
RUN: Final = "modelserve.notebook.run"
CELL: Final = "modelserve.notebook.cell"
CELL_ID: Final = "modelserve.notebook.cell_id"
_PREFIX: Final = "modelserve.notebook."
_NAMES: Final = ("PAPERMILL_INPUT_PATH", "__vsc_ipynb_file__", "__session__")
"""Variables of a notebook in which runners and editors leave its path."""
_STAGING: Final = "scheduler_staging_area"
"""jupyter-scheduler's folder of jobs."""
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


def here() -> dict[str, str]:
    """The same with the cell that runs now: its number as in ``In [4]``, and its id where the front end tells.

    In a notebook that somebody works in, its path stands for the run.
    """
    found, shell = current(), kernel()
    if shell is None:
        return found
    path = notebook_path()
    if NOTEBOOK not in found:
        found |= {NOTEBOOK: path} if path.endswith(".ipynb") else _scheduled()
    if NOTEBOOK in found:
        # Not the shell's counter, which newer releases of IPython raise before the cell runs.
        found[CELL] = str(len(shell.history_manager.input_hist_parsed) - 1)
        identity = _cell_id(shell)
        if identity:
            found[CELL_ID] = identity
    return found


def kernel() -> Any:
    """The shell of the kernel that this is, or ``None``."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


def notebook_path() -> str:
    """The path of the running notebook as Jupyter, a runner or an editor tells it; empty when nobody does."""
    known = _namespace()
    return os.environ.get("JPY_SESSION_NAME") or next((str(known[name]) for name in _NAMES if known.get(name)), "")


def _scheduled() -> dict[str, str]:
    """Notebook and job when jupyter-scheduler runs this kernel: it does so in a folder of the job with a copy in it."""
    folder = Path.cwd()
    notebooks = list(folder.glob("*.ipynb")) if folder.parent.name == _STAGING else []
    return {NOTEBOOK: notebooks[0].name, RUN: folder.name} if len(notebooks) == 1 else {}


def _namespace() -> dict[str, Any]:
    import __main__

    return vars(__main__)


def _cell_id(shell: Any) -> str:
    try:
        return str(shell.kernel.get_parent("shell")["metadata"]["cellId"])[:64]
    except (AttributeError, KeyError, TypeError, RuntimeError):
        return ""


def _read() -> dict[str, str]:
    try:
        found = json.loads(os.environ.get(VARIABLE) or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
