"""Who may score what, as the gateway needs it: it knows no SQL and judges by the snapshot. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_modelserve.controller.governance.decide import decide
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.governed import Access


def access(state: State, models: Iterable[str]) -> Access:
    """Principals that may score each of *models*; admins may score all (REQ-024)."""
    actors = state.actors
    admins = frozenset(each for each in actors if state.is_admin(each))
    return Access(
        admins=admins,
        models={
            name: frozenset(
                each
                for each in actors
                if each not in admins and decide(state, each, Operation.MODEL_SCORE, model(name)).allowed
            )
            for name in sorted(models)
        },
    )
