"""Tells the instance how a run of a notebook stands, for the panel, its events and the lineage of what the run makes.

A run needs no instance and starts none for this: where none answers, the run goes on, and its output has everything.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_modelserve.errors import InvalidParameter, ModelServeError
from jupyter_modelserve.traced import NotebookRun, NotebookRunState

if TYPE_CHECKING:
    from jupyter_modelserve.client.sync import Client


def report(found: Any, started_at: int, *, ended: bool) -> str:
    """Send the state of *found* (a ``cli.run.Run``); *started_at* in ms since 1970. Why it was not taken, or nothing.

    That no instance runs is no reason that anybody needs to hear.
    """
    from jupyter_modelserve.client.sync import Client
    from jupyter_modelserve.errors import NotRunning

    run = NotebookRun(
        id=found.run,
        notebook=found.notebook,
        output=found.output,
        state=NotebookRunState(found.state) if ended else NotebookRunState.RUNNING,
        parameters=found.parameters,
        started_at=started_at,
        ended_at=int(time.time() * 1000) if ended else 0,
        failed=found.failed,
        records=found.records,
    )
    try:
        with Client.discover(start=False) as client:
            return _sent(client, run)
    except NotRunning:
        return ""
    except ModelServeError as error:
        return error.message


def _sent(client: Client, run: NotebookRun) -> str:
    """That it ended matters more than its results, which are in the output: those that are too many are left out."""
    try:
        client.report_notebook_run(run)
    except InvalidParameter as error:
        if not run.records:
            raise
        client.report_notebook_run(replace(run, records={}))
        return error.message
    return ""
