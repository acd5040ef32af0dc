"""Governance inside the controller: one transaction per request, and whoever must know of a change is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from jupyter_modelserve.controller.governance.decide import decide, require
from jupyter_modelserve.controller.governance.loading import Loader, current, touch
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, Securable
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.signals import Signal
from jupyter_modelserve.controller.store import migrations
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.eye import Eye

T = TypeVar("T")
INTERVAL = 0.25
PAUSE = 1.0
log = logging.getLogger(__name__)


class Governance:
    """Reads, judges and changes. *changed* is told the new state after every change, whoever made it; ``signal`` is
    for those who only wait for one.
    """

    def __init__(self, database: Database, changed: Callable[[State], Awaitable[None]]) -> None:
        self._database = database
        self._changed = changed
        self._loader = Loader()
        self._told = -1
        self.signal = Signal()

    async def state(self) -> State:
        """Who may do what, now."""
        return await self._database.run(self._loader.state)

    def within(self, connection: Connection) -> State:
        """Who may do what as a transaction sees it that is going to write, or has written."""
        return current(connection)

    async def require(self, actor: Actor, operation: Operation, on: Securable = METASTORE, detail: str = "") -> None:
        """Let pass or raise PermissionDenied."""
        require(await self.state(), actor.principal, operation, on, detail)

    async def may(self, actor: Actor, operation: Operation, on: Securable = METASTORE, detail: str = "") -> bool:
        """Whether it is allowed."""
        return decide(await self.state(), actor.principal, operation, on, detail).allowed

    async def read(self, actor: Actor, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(session, *args)``, which changes nothing."""

        def run(connection: Connection) -> T:
            return work(Session(connection, actor, self._loader.state(connection)), *args)

        return await self._database.run(run)

    async def change(self, actor: Actor, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(session, *args)``: judged and written in one transaction, alone among all writers."""

        def run(connection: Connection) -> T:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return work(Session(connection, actor, current(connection)), *args)

        result = await self._database.run(run)
        await self.announce()
        return result

    async def announce(self) -> None:
        """Tell the others what holds now."""
        state = await self.state()
        if state.revision != self._told:
            self._told = state.revision
            self.signal.notify()
        await self._changed(state)

    async def watch(self, admin: str) -> None:
        """Notice changes that others made to the database, until cancelled (``PRAGMA data_version``: microseconds)."""
        eye = Eye(self._database.engine)
        seen: int | None = None
        try:
            while True:
                try:
                    version, _ = await eye.look()
                    if version != seen:
                        await self._look(admin)
                    seen = version
                    await asyncio.sleep(INTERVAL)
                except SQLAlchemyError as error:
                    log.warning("cannot look for changes of grants: %s", error)
                    seen = None
                    await asyncio.sleep(PAUSE)
        finally:
            await eye.close()

    async def _look(self, admin: str) -> None:
        await self._database.run(_adopt, admin)
        await self.announce()


def _adopt(connection: Connection, admin: str) -> None:
    if migrations.unowned(connection) and migrations.adopt(connection, admin):
        touch(connection)
