"""One real instance for all end-to-end tests that do not break it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.instance import RunningInstance, started_instance


@pytest.fixture(scope="session")
def instance() -> Iterator[RunningInstance]:
    """A running instance: ``.url``, ``.token``, ``.home``, ``.paths``, ``.client()``."""
    with started_instance() as found:
        found.wait_for_mlflow()
        yield found
