"""Notices within a quarter of a second that anybody changed the database.

``PRAGMA data_version`` changes when another connection commits, whichever process it belongs to, and costs
microseconds (architecture §8). It is a hint: the reconcilers look again every ten seconds whatever happens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

INTERVAL = 0.25
log = logging.getLogger(__name__)


class ChangeWatch:
    """Calls *changed* whenever the database was written by somebody."""

    def __init__(self, engine: Engine, changed: Callable[[], None], interval: float = INTERVAL) -> None:
        self._engine = engine
        self._changed = changed
        self._interval = interval

    async def run(self) -> None:
        """Look until cancelled; a database that does not answer is looked at again later."""
        connection: Connection | None = None
        last: int | None = None
        try:
            while True:
                try:
                    connection = connection or self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                    seen = int(connection.execute(text("PRAGMA data_version")).scalar_one())
                    if last is not None and seen != last:
                        self._changed()
                    last = seen
                except SQLAlchemyError as error:
                    log.warning("cannot look for changes: %s", error)
                    connection, last = None, None
                    await asyncio.sleep(1)
                await asyncio.sleep(self._interval)
        finally:
            if connection is not None:
                connection.close()
