"""What a change of governance needs: the transaction, who asks, and the state to judge by.

Every function that changes something judges, writes and records in the one transaction that it is given.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from jupyter_modelserve.controller.governance.decide import decide, require
from jupyter_modelserve.controller.governance.loading import current, touch
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, Securable
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.store import audit
from jupyter_modelserve.controller.store.audit import Actor


@dataclass(slots=True)
class Session:
    """One request's transaction. ``state`` is what held when it began, or after the last change of its own."""

    connection: Connection
    actor: Actor
    state: State

    @property
    def principal(self) -> str:
        """Who asks."""
        return self.actor.principal

    def require(self, operation: Operation, on: Securable = METASTORE, detail: str = "") -> None:
        """Let pass or raise PermissionDenied."""
        require(self.state, self.actor.principal, operation, on, detail)

    def may(self, operation: Operation, on: Securable = METASTORE, detail: str = "") -> bool:
        """Whether the operation is allowed."""
        return decide(self.state, self.actor.principal, operation, on, detail).allowed

    def changed(self, action: str, on: Securable, before: str = "", after: str = "") -> None:
        """Record a change of an object and let everybody read the state again."""
        self.recorded(action, on.type.value, on.name, before, after)

    def recorded(self, action: str, kind: str, name: str, before: str = "", after: str = "") -> None:
        """The same for what is no object with rights: principals, policies."""
        audit.append(self.connection, self.actor, action, kind, name, before=before, after=after)
        touch(self.connection)
        self.state = current(self.connection)
