"""Notices within a quarter of a second that anybody changed the registry.

``PRAGMA data_version`` changes when another connection commits, whichever process it belongs to, and costs
microseconds (architecture §8). Only then the change feed is read, which says which models changed. Both are hints:
the reconcilers look again every ten seconds whatever happens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from jupyter_modelserve.controller.store import feed
from jupyter_modelserve.controller.store.database import Database

INTERVAL = 0.25
PAUSE = 1.0
log = logging.getLogger(__name__)


class ChangeWatch:
    """Calls *changed* with the models that somebody changed, ``None`` when that is not known, and *created* with new
    versions as (model, version).
    """

    def __init__(
        self,
        database: Database,
        changed: Callable[[frozenset[str] | None], None],
        interval: float = INTERVAL,
        created: Callable[[list[tuple[str, str]]], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._created = created
        self._changed = changed
        self._interval = interval
        self._seen = 0
        self._schema = -1
        self._fed = False

    async def run(self) -> None:
        """Look until cancelled; a database that does not answer is looked at again later."""
        connection: Connection | None = None
        last: int | None = None
        try:
            while True:
                try:
                    if connection is None:
                        connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                    version = int(connection.execute(text("PRAGMA data_version")).scalar_one())
                    if version != last:
                        await self._look(connection, first=last is None)
                    last = version
                    await asyncio.sleep(self._interval)
                except SQLAlchemyError as error:
                    log.warning("cannot look for changes: %s", error)
                    if connection is not None:
                        connection.close()
                    connection, last = None, None
                    await asyncio.sleep(PAUSE)
        finally:
            if connection is not None:
                connection.close()

    async def _look(self, connection: Connection, *, first: bool) -> None:
        schema = int(connection.execute(text("PRAGMA schema_version")).scalar_one())
        if schema != self._schema or not self._fed:
            # A migration of MLflow's drops triggers with the tables that it rebuilds.
            self._fed = await self._database.run(feed.install)
            self._schema = int(connection.execute(text("PRAGMA schema_version")).scalar_one())
            self._seen = self._seen or await self._database.run(feed.newest)
            self._changed(None)
            return
        changes = await self._database.run(feed.after, self._seen)
        if changes:
            self._seen = changes[-1].number
            for each in changes:
                log.info("registry: %s %s %s %s", each.kind, each.model, each.version, each.detail)
            new = [(each.model, each.version) for each in changes if each.kind == "version created"]
            if new:
                self._created(new)
            # Whoever renames a model changes two names.
            renamed = {each.detail for each in changes if each.kind == "model renamed"}
            self._changed(frozenset({each.model for each in changes} | renamed))
        elif first:
            self._changed(None)
