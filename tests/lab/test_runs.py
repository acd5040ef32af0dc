"""Events of notebook runs: one for each change, nothing of the past, and nothing that the schema does not have."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from jupyter_modelserve.errors import Unavailable
from jupyter_modelserve.lab.runs import RUN_SCHEMA, RUN_SCHEMA_ID, RunTeller, event
from jupyter_modelserve.traced import NotebookRun, NotebookRunState
from jupyter_modelserve.types import to_json

FAILED = NotebookRun(
    "5f0c", "/n/train.ipynb", "/o/x.ipynb", NotebookRunState.FAILED, {"secret": "p"}, 1, 2,
    {"cell": "cell-1", "number": 2, "error": "ValueError", "message": "m"}, {"result": {"accuracy": 1}}, "ann", 7,
)  # fmt: skip
RUNNING = NotebookRun("6a1d", "/n/other.ipynb", "/o/y.ipynb", NotebookRunState.RUNNING, number=8)


def _status(number: int) -> dict[str, Any]:
    return {"running": True, "instance": {"notebook_runs": number}, "endpoints": []}


async def test_each_change_is_told_once_and_none_before_the_first_look() -> None:
    asked, told, away = list[int](), list[dict[str, Any]](), False

    async def ask(after: int) -> list[dict[str, Any]]:
        if away:
            raise Unavailable("not now")
        asked.append(after)
        return [to_json(RUNNING), to_json(FAILED)]

    teller = RunTeller(ask, told.append)
    await teller.follow({"running": False, "instance": None, "endpoints": []})
    await teller.follow(_status(6))
    await teller.follow(_status(6))
    assert (asked, told) == ([], [])
    away = True
    await teller.follow(_status(8))
    away = False
    await teller.follow(_status(8))
    await teller.follow(_status(8))
    assert asked == [6]
    assert [each["run"] for each in told] == ["5f0c", "6a1d"]
    assert told[0] == {
        "run": "5f0c", "notebook": "/n/train.ipynb", "output": "/o/x.ipynb", "state": "failed", "cell": "cell-1",
        "error": "ValueError",
    }  # fmt: skip


def test_an_event_fits_its_schema_and_results_do_not() -> None:
    from jupyter_events import EventLogger
    from jupyter_events.validators import ValidationError  # type: ignore[attr-defined]

    written = io.StringIO()
    logger: Any = EventLogger()
    logger.register_handler(logging.StreamHandler(written))
    logger.register_event_schema(RUN_SCHEMA)
    logger.emit(schema_id=RUN_SCHEMA_ID, data=event(to_json(FAILED)))
    assert json.loads(written.getvalue())["error"] == "ValueError"
    assert "secret" not in written.getvalue()
    with pytest.raises(ValidationError):
        logger.emit(schema_id=RUN_SCHEMA_ID, data={**event(to_json(FAILED)), "parameters": {}})
