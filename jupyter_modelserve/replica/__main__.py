"""Entry when the directory is executed: ``<python> <package>/replica parent|worker|zygote <directory> …``.

Executing a directory puts it first on ``sys.path``, where our ``worker`` or ``parent`` would shadow a model's module of
the same name. So the directory leaves the path and the package is loaded under a private name instead.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import List

_PRIVATE_NAME = "modelserve_replica"


def _load_privately(directory: str) -> None:
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or os.curdir) != directory]
    spec = importlib.util.spec_from_file_location(
        _PRIVATE_NAME, os.path.join(directory, "__init__.py"), submodule_search_locations=[directory]
    )
    if spec is None or spec.loader is None:
        raise SystemExit("the replica package is incomplete: " + directory)
    module = importlib.util.module_from_spec(spec)
    sys.modules[_PRIVATE_NAME] = module
    spec.loader.exec_module(module)


def main(arguments: List[str]) -> int:
    """Run the role named by the first argument; returns the exit code (64 for a wrong command line)."""
    if not arguments or arguments[0] not in ("parent", "worker", "zygote", "serve"):
        return 64
    package = "standalone" if arguments[0] == "serve" else arguments[0]
    _load_privately(os.path.dirname(os.path.realpath(__file__)))
    role = importlib.import_module(_PRIVATE_NAME + "." + package + ".main")
    code: int = role.main(arguments[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
