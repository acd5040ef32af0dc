"""Environments: from a model's declared requirements to an interpreter that satisfies them (architecture §6)."""

from __future__ import annotations

from jupyter_modelserve.types import Failure


class EnvironmentFailed(Exception):
    """No environment can be had for a version; ``failure`` is the one named cause shown to the user."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
