"""Notices within a tenth of a second that anybody changed the registry.

``PRAGMA data_version`` changes when another connection commits, whichever process it belongs to, and costs
microseconds (architecture §8). Only then the change feed is read, which says which models changed. Both are hints:
the reconcilers look again every ten seconds whatever happens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from jupyter_modelserve.controller.store import feed
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.eye import Eye, schema_version

INTERVAL = 0.1
PAUSE = 1.0
_NEW = {"version created", "version ready"}
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
        eye = Eye(self._database.engine)
        last: int | None = None
        away = False
        try:
            while True:
                try:
                    version, schema = await eye.look()
                    if version != last:
                        await self._look(schema, first=last is None)
                    last, away = version, False
                    await asyncio.sleep(self._interval)
                except SQLAlchemyError as error:
                    if not away:
                        log.warning("cannot look for changes until the database answers: %s", error)
                    last, away = None, True
                    await asyncio.sleep(PAUSE)
        finally:
            await eye.close()

    async def _look(self, schema: int, *, first: bool) -> None:
        if schema != self._schema or not self._fed:
            # A migration of MLflow's drops triggers with the tables that it rebuilds.
            self._fed = await self._database.run(feed.install)
            self._schema = await self._database.run(schema_version)
            self._seen = self._seen or await self._database.run(feed.newest)
            self._changed(None)
            return
        changes = await self._database.run(feed.after, self._seen)
        if changes:
            self._seen = changes[-1].number
            for each in changes:
                log.info("registry: %s %s %s %s", each.kind, each.model, each.version, each.detail)
            new = [(each.model, each.version) for each in changes if each.kind in _NEW]
            if new:
                self._created(new)
            # Whoever renames a model changes two names.
            renamed = {each.detail for each in changes if each.kind == "model renamed"}
            self._changed(frozenset({each.model for each in changes} | renamed))
        elif first:
            self._changed(None)
