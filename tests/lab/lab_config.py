"""Configuration of a JupyterLab whose extension sees a sample instance instead of daemons (see test_browser.py)."""

from __future__ import annotations

from jupyter_modelserve.lab.extension import ModelServeExtension
from jupyter_modelserve.lab.service import Service
from tests.lab.fakes import FakeInstance

INSTANCE = FakeInstance()


class SampleService(Service):
    """Nothing runs until somebody presses Start."""

    def __init__(self) -> None:
        super().__init__(INSTANCE.connect, INSTANCE.launch, lambda: False)


ModelServeExtension.service_class = SampleService

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.ServerApp.jpserver_extensions = {"jupyterlab": True, "jupyter_modelserve": True}
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.ip = "127.0.0.1"
c.LabApp.news_url = None
