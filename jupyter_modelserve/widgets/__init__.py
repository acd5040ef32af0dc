"""Views of ipywidgets for notebooks and Voila. Imported by what shows them, never by the package."""

from __future__ import annotations

from jupyter_modelserve.widgets.form import ScoringForm
from jupyter_modelserve.widgets.monitor import ServingMonitor
from jupyter_modelserve.widgets.registry import RegistryBrowser

__all__ = ["RegistryBrowser", "ScoringForm", "ServingMonitor"]
