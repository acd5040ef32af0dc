"""A database of our own tables alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.settings import Paths


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database.of(Paths(tmp_path))
    await made.prepare()
    yield made
    await made.close()
