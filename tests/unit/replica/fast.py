"""Scoring a body along the fast paths and along the general path, and comparing what a caller would read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jupyter_modelserve.replica.wire import Request, Response
from jupyter_modelserve.replica.worker import paths
from jupyter_modelserve.replica.worker.batching import Clock, Job, Runner
from jupyter_modelserve.replica.worker.config import Config
from jupyter_modelserve.replica.worker.loader import load
from jupyter_modelserve.replica.worker.sameness import same
from jupyter_modelserve.replica.worker.scorer import Scorer
from jupyter_modelserve.replica.worker.signature import ModelFile

SPEC: dict[str, Any] = {
    "model": "m", "version": "1", "unknown_columns": "warn", "timeout": 120.0, "kill_grace": 10.0,
    "startup_budget": 600.0, "body_limit": 1 << 24, "json_depth": 64,
}  # fmt: skip


def config(directory: Path, **spec: Any) -> Config:
    """The configuration of a worker that serves *directory*."""
    document = {**SPEC, "directory": str(directory), **spec}
    return Config({"key": "k", "socket": "", "state_fd": 0, "parent_pid": 0, "spec": document})


def job(body: bytes, content_type: str = "application/json", **headers: str) -> Job:
    """A request as the connection hands it over; its answer is returned, not sent."""
    names = {"content-type": content_type, "x-request-id": "r-1"}
    names.update({name.replace("_", "-"): value for name, value in headers.items()})
    request = Request("POST", "/invocations", names, len(body), True)
    request.body = body
    return Job(request, lambda response: None)


class Fast:
    """A model with its general path (:attr:`scorer`) and its fast paths (:attr:`runner`)."""

    def __init__(self, directory: Path, **spec: Any) -> None:
        self.file = ModelFile(str(directory))
        self.model = load(str(directory))
        self.scorer = Scorer(self.model, self.file, spec.get("unknown_columns", "warn"))
        made = config(directory, **spec)
        self.paths = paths.choose(self.model, self.file, self.scorer, made)
        self.runner = Runner(self.scorer, self.paths, made.batch_rows, Clock(), made.hider)

    def run(self, jobs: list[Job]) -> dict[Job, Response | None]:
        """Jobs that wait together, answered as a worker answers them: quickly if possible, then the rest."""
        found: dict[Job, Response | None] = {}
        if self.runner.is_quick:
            answers, jobs = self.runner.run_quick(jobs)
            found.update(answers)
        self.runner.run(jobs, lambda answers: found.update(answers))
        return found

    def score(self, body: bytes, content_type: str = "application/json") -> Response:
        """One request alone."""
        only = job(body, content_type)
        answer = self.run([only])[only]
        assert answer is not None
        return answer

    def check(self, body: bytes, content_type: str = "application/json") -> Response:
        """Score both ways and compare; returns the answer."""
        answer = self.score(body, content_type)
        assert_same(answer, self.scorer.score(body, content_type, "r-1"), body)
        return answer


def assert_same(answer: Response, oracle: Response, body: bytes) -> None:
    """The same status, headers and JSON value (floats within 1e-9 relative)."""
    assert answer.status == oracle.status, (body, answer.body, oracle.body)
    assert answer.headers == oracle.headers, (body, answer.headers, oracle.headers)
    assert same(json.loads(answer.body), json.loads(oracle.body)), (body, answer.body, oracle.body)
