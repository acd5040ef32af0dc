"""Find, start and stop the two daemons (docs/reference/internal-protocol.md, "Instance, start and adoption").

Everything that needs a running instance comes through here: kernels, JupyterLab, Voila, papermill, the command line
and the daemons themselves, which restart each other. Imports stay light, because a kernel pays for them.
"""

from __future__ import annotations

from jupyter_modelserve.launcher.finding import find
from jupyter_modelserve.launcher.spawning import spawn_controller, spawn_gateway
from jupyter_modelserve.launcher.starting import ensure
from jupyter_modelserve.launcher.stopping import stop

__all__ = ["ensure", "find", "spawn_controller", "spawn_gateway", "stop"]
