"""The Jupyter Server extension: a thin proxy between the panel and the daemons, with the identity of the user.

It owns nothing: when it dies, the panel of that JupyterLab is blind and everything else goes on. Nothing heavy is
imported here, because Jupyter Server imports this at start and waits.
"""

from __future__ import annotations

from jupyter_modelserve.lab.extension import ModelServeExtension

__all__ = ["ModelServeExtension"]
