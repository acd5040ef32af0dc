"""Who may score what, as the gateway needs it: it knows no SQL and judges by the snapshot."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_modelserve.controller.governance.everybody import Everybody
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import model
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.governed import Access


class Judge:
    """Remembers its judgements for as long as the state is the same: routes change far more often than rights."""

    def __init__(self) -> None:
        self._take(State())

    def _take(self, state: State) -> None:
        self._state = state
        self._everybody = Everybody(state)
        self._judged: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def access(self, state: State, models: Iterable[str]) -> Access:
        """Who may score each of *models*, and who may only see it; admins may score all (REQ-024)."""
        if state is not self._state:
            self._take(state)
        found = {name: self._judged.get(name) or self._judge(name) for name in sorted(models)}
        self._judged = found
        scorers = {name: each for name, (each, _) in found.items()}
        return Access(self._everybody.admins, scorers, {name: each for name, (_, each) in found.items() if each})

    def _judge(self, name: str) -> tuple[frozenset[str], frozenset[str]]:
        on = model(name)
        scorers = self._everybody.allowed(Operation.MODEL_SCORE, on)
        return scorers, self._everybody.allowed(Operation.MODEL_VIEW, on) - scorers
