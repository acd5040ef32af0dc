"""Models once per session, and a scorer for each: the code path of a real request without a process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.replica.wire import Response
from jupyter_modelserve.replica.worker.loader import load
from jupyter_modelserve.replica.worker.scorer import Scorer
from jupyter_modelserve.replica.worker.signature import ModelFile
from tests.unit.replica import models

# As in a worker. Read when the first library with OpenMP is loaded; its threads would spin on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class Scored:
    """An answer with its JSON body parsed strictly: bare NaN is no JSON."""

    def __init__(self, response: Response) -> None:
        def refuse(literal: str) -> Any:
            raise AssertionError(f"{literal} is no JSON")

        self.status = response.status
        self.headers = response.headers
        self.json = json.loads(response.body, parse_constant=refuse)

    @property
    def message(self) -> str:
        """The message of a refusal."""
        return str(self.json["message"])


class Bench:
    """A loaded model and its scorer."""

    def __init__(self, directory: Path, unknown_columns: str = "warn") -> None:
        self.file = ModelFile(str(directory))
        self.model = load(str(directory))
        self.scorer = Scorer(self.model, self.file, unknown_columns)

    def score(self, body: Any, content_type: str = "application/json") -> Scored:
        """Score bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Scored(self.scorer.score(raw, content_type, "r-1"))


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Directory of a model by name, saved on first use."""
    root = tmp_path_factory.mktemp("models")

    def find(name: str) -> Path:
        path = root / name
        return path if path.exists() else models.MODELS[name](path)

    return find


@pytest.fixture(scope="session")
def bench(saved: Callable[[str], Path]) -> Callable[..., Bench]:
    """A bench by model name (and policy for unknown columns), loaded on first use."""
    known: dict[tuple[str, str], Bench] = {}

    def find(name: str, unknown_columns: str = "warn") -> Bench:
        key = (name, unknown_columns)
        if key not in known:
            known[key] = Bench(saved(name), unknown_columns)
        return known[key]

    return find
