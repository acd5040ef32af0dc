"""An IPython shell with the magics loaded, talking to a stand-in instance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from IPython.core.interactiveshell import InteractiveShell

from jupyter_modelserve import magics
from jupyter_modelserve.client import session
from tests.unit.client.samples import Instance


@pytest.fixture
def instance() -> Iterator[Instance]:
    found = Instance()
    session.use(found.client())
    yield found
    session.use(None)


@pytest.fixture
def shell(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(magics, "_warm_up", lambda _: None)
    found: Any = cast(Any, InteractiveShell)()
    found.run_line_magic("load_ext", "jupyter_modelserve")
    yield found
    found.run_line_magic("unload_ext", "jupyter_modelserve")
    found.history_manager.end_session()
    InteractiveShell.clear_instance()
