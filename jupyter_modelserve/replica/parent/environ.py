"""The environment of a worker: the parent's, without what is secret and without what changes a Python's imports.

A model is code that somebody wrote: it must not find tokens of ours, of MLflow's servers or of Databricks. What a model
needs is given by its specification (``environ``), never inherited by accident.
"""

from __future__ import annotations

import re
from typing import Dict, Mapping

_SECRET = re.compile(
    r"^(MODELSERVE_|MLFLOW_TRACKING_|MLFLOW_REGISTRY_|DATABRICKS_|JUPYTERHUB_|JPY_)"
    r"|(_TOKEN|_PASSWORD|_PASSWD|_SECRET|_KEY|_CREDENTIALS|_PASSPHRASE)$|^(TOKEN|PASSWORD|SECRET)$"
)
_UNWANTED = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP", "PYTHONINSPECT", "__PYVENV_LAUNCHER__"}
)
_ALWAYS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONUNBUFFERED": "1",
    "PYTHONFAULTHANDLER": "1",
}


def worker_environ(inherited: Mapping[str, str], wanted: Mapping[str, str]) -> Dict[str, str]:
    """The variables of a worker; *wanted* (of its specification) wins over everything.

    One thread per library by default: workers share the cores, and libraries that each start one thread per core get in
    each other's way.
    """
    kept = {
        name: value for name, value in inherited.items() if name not in _UNWANTED and not _SECRET.search(name.upper())
    }
    kept.setdefault("OMP_NUM_THREADS", "1")
    kept.update(_ALWAYS)
    kept.update(wanted)
    return kept


_ONE_THREAD = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip


def zygote_environ(inherited: Mapping[str, str]) -> Dict[str, str]:
    """The variables of the zygote: a worker's, and nothing in it may start a thread, for only one survives a fork.

    A worker gets its own variables back, and its number of threads, after the fork.
    """
    kept = worker_environ(inherited, dict.fromkeys(_ONE_THREAD, "1"))
    # pyarrow's allocator would start a thread as soon as pandas is imported.
    kept["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    return kept
