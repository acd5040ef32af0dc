"""Judges inside the MLflow child: the same ``decide`` as everywhere, reading the same tables.

Also the seam to MLflow's transactions: who acts is written down when a session of MLflow's begins to write, and what we
add (limits, catalogs) runs right before its commit. So a change, its audit record and its checks are one transaction.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from jupyter_modelserve.controller.governance import decide as judging
from jupyter_modelserve.controller.governance.loading import Loader, current
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, Securable
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.store import audit, feed
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Paths

PRINCIPAL_HEADER = "x-modelserve-principal"
UPLOAD_HEADER = "x-modelserve-upload"
"""Set by the controller only (the gateway drops it from callers): JSON of what will be uploaded, percent-encoded."""
_BUSY_TIMEOUT_S = 20.0


@dataclass(slots=True)
class Work:
    """One change under way. ``checks`` run in MLflow's transaction right before its commit."""

    actor: Actor
    checks: list[Callable[[Connection], None]] = field(default_factory=list)


_work: ContextVar[Work | None] = ContextVar("modelserve_work", default=None)


class Governor:
    """The one judge of the child."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        url = URL.create("sqlite", database=str(paths.database))
        self.engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False})
        self._loader = Loader()
        self._writing = threading.RLock()

    def state(self) -> State:
        """Who may do what, now."""
        with self.engine.connect() as connection:
            return self._read(connection)

    def _read(self, connection: Connection) -> State:
        try:
            return self._loader.state(connection)
        except OperationalError:
            # Our tables are not there: nobody is known, and nobody may do anything.
            return State()

    def may(self, principal: str, operation: Operation, on: Securable = METASTORE, detail: str = "") -> bool:
        """Whether it is allowed."""
        return judging.decide(self.state(), principal, operation, on, detail).allowed

    def require(self, principal: str, operation: Operation, on: Securable = METASTORE, detail: str = "") -> None:
        """Let pass or raise MLflow's PERMISSION_DENIED with our reasons."""
        with translated():
            judging.require(self.state(), principal, operation, on, detail)

    @contextmanager
    def changing(self, actor: Actor) -> Iterator[Work]:
        """A change of the registry: one at a time, so that version numbers never collide inside this process."""
        with self._writing, translated():
            work = Work(actor)
            token = _work.set(work)
            try:
                yield work
            finally:
                _work.reset(token)

    def session(self, connection: Connection, actor: Actor) -> Session:
        """What the functions of governance need, inside a transaction that somebody else ends."""
        return Session(connection, actor, current(connection))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction of our own."""
        with self._writing, self.engine.begin() as connection:
            yield connection

    def install(self) -> None:
        """Put feed and triggers on MLflow's tables before the first request, and follow MLflow's sessions."""
        with self.engine.begin() as connection:
            feed.install(connection)
        from sqlalchemy.orm import Session as OrmSession

        if not event.contains(OrmSession, "before_flush", _before_flush):
            event.listen(OrmSession, "before_flush", _before_flush)
            event.listen(OrmSession, "before_commit", _before_commit)


def also(check: Callable[[Connection], None]) -> None:
    """Let *check* run before the commit of the change under way. Raises LookupError outside of one."""
    work = _work.get()
    if work is None:
        raise LookupError("no change is under way")
    work.checks.append(check)


def _before_flush(session: Any, *_: Any) -> None:
    work = _work.get()
    if work is not None:
        audit.begin(session.connection(), work.actor)
        session.info["modelserve"] = True


def _before_commit(session: Any) -> None:
    work = _work.get()
    if work is None:
        return
    session.flush()
    if session.info.pop("modelserve", False):
        with translated():
            for check in work.checks:
                check(session.connection())
        audit.end(session.connection())


@contextmanager
def translated() -> Iterator[None]:
    """Errors of ours leave as MLflow's, so that its handlers answer them in MLflow's shape."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos import databricks_pb2

    try:
        yield
    except ModelServeError as error:
        name = error.error_code
        code = databricks_pb2.ErrorCode.Value(name) if name in databricks_pb2.ErrorCode.keys() else None  # noqa: SIM118
        code = databricks_pb2.BAD_REQUEST if code is None else code
        hint = f" ({error.details['hint']})" if "hint" in error.details else ""
        raise MlflowException(error.message + hint, error_code=code, details=error.details) from error


def upload() -> dict[str, str] | None:
    """What the caller will upload for the version that it makes, or ``None``: the files are here already."""
    from flask import has_request_context, request

    found = request.headers.get(UPLOAD_HEADER, "") if has_request_context() else ""
    return dict(json.loads(unquote(found))) if found else None


def principal() -> str:
    """Who sent the request that is being answered; empty outside a request."""
    return actor().principal


def actor() -> Actor:
    """The same with client and request id, for the audit log."""
    from flask import has_request_context, request

    if not has_request_context():
        return Actor("")
    headers = request.headers
    return Actor(
        unquote(headers.get(PRINCIPAL_HEADER, "")), headers.get("user-agent", ""), headers.get("x-request-id", "")
    )
