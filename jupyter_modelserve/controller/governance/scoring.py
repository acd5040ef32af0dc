"""Who may score what, as the gateway needs it: it knows no SQL and judges by the snapshot."""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_modelserve.controller.governance.decide import decide
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import Securable, model
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.governed import Access


class Judge:
    """Remembers its judgements for as long as the state is the same: routes change far more often than rights."""

    def __init__(self) -> None:
        self._take(State())

    def _take(self, state: State) -> None:
        self._state = state
        self._admins = frozenset(each for each in state.actors if state.is_admin(each))
        self._others = {each: state.identities(each) for each in state.actors if each not in self._admins}
        self._judged: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def access(self, state: State, models: Iterable[str]) -> Access:
        """Who may score each of *models*, and who may only see it; admins may score all (REQ-024)."""
        if state is not self._state:
            self._take(state)
        found = {name: self._judged.get(name) or self._judge(name) for name in sorted(models)}
        self._judged = found
        scorers = {name: each for name, (each, _) in found.items()}
        return Access(self._admins, scorers, {name: each for name, (_, each) in found.items() if each})

    def _judge(self, name: str) -> tuple[frozenset[str], frozenset[str]]:
        on = model(name)
        holders = _holders(self._state, on)
        maybe = frozenset(each for each, identities in self._others.items() if identities & holders)
        scorers = _allowed(self._state, maybe, Operation.MODEL_SCORE, on)
        return scorers, _allowed(self._state, maybe - scorers, Operation.MODEL_VIEW, on)


def _holders(state: State, on: Securable) -> frozenset[str]:
    """Who is named in a right on the object or above it: nobody else needs to be judged."""
    found: set[str] = set()
    for origin in on.line:
        found |= state.grants.get(origin, {}).keys()
        found.add(state.owners.get(origin, ""))
    return frozenset(found)


def _allowed(state: State, principals: Iterable[str], operation: Operation, on: Securable) -> frozenset[str]:
    return frozenset(each for each in principals if decide(state, each, operation, on).allowed)
