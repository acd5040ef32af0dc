"""What databricks clients read from the environment, pointed at an instance of ours for one test."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from tests.support.instance import RunningInstance


@contextlib.contextmanager
def pointed_at(house: RunningInstance, token: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``DATABRICKS_HOST`` and ``DATABRICKS_TOKEN`` name *house*; nothing else of the machine is looked at."""
    with monkeypatch.context() as patch:
        for name in [each for each in os.environ if each.startswith("DATABRICKS_")]:
            patch.delenv(name)
        patch.setenv("DATABRICKS_HOST", house.url)
        patch.setenv("DATABRICKS_TOKEN", token)
        patch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)
        yield


def user(house: RunningInstance, name: str) -> str:
    """Add a user without rights; returns a token."""
    with house.client() as admin:
        admin.create_principal(name)
        return admin.create_token(f"for {name}", principal=name)[0]
