"""A look at the database that tells whether anybody changed it, and that never waits long for a lock."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

PATIENCE_MS = 250
"""Milliseconds that one look may wait for a lock."""


class Eye:
    """A connection of its own in a thread of its own: a lock on the database must stop neither the event loop nor
    whoever waits for the database thread, and only a connection that is kept can tell that others have committed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")

    async def look(self) -> tuple[int, int]:
        """``data_version`` and ``schema_version``.

        Raises:
            SQLAlchemyError: the database is locked or away.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look)

    async def close(self) -> None:
        """Let go of the connection."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    def _look(self) -> tuple[int, int]:
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._connection.execute(text(f"PRAGMA busy_timeout = {PATIENCE_MS}"))
            version = int(self._connection.execute(text("PRAGMA data_version")).scalar_one())
            return version, schema_version(self._connection)
        except SQLAlchemyError:
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Not back into the pool: its patience is too short for others.
            connection.invalidate()
            connection.close()


def schema_version(connection: Connection) -> int:
    """Changes with the tables and triggers of the database."""
    return int(connection.execute(text("PRAGMA schema_version")).scalar_one())
