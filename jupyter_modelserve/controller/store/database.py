"""The database connection: one thread, short transactions, never on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, insert, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.controller.store.keys import KeyFile
from jupyter_modelserve.controller.store.local_user import local_user
from jupyter_modelserve.errors import ModelServeError, Unavailable
from jupyter_modelserve.settings import Paths

T = TypeVar("T")

_KEYS: Final = "modelserve_keys"
BUSY_TIMEOUT = 20.0
"""Seconds a writer waits for MLflow's transactions, as MLflow itself waits for ours."""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


class Database:
    """MLflow's database with our tables in it.

    Functions that take a :class:`sqlalchemy.Connection` run through :meth:`run`, each in one transaction on the one
    database thread: what a function wrote is on disk when ``run`` returns, or nothing of it is.
    """

    def __init__(self, url: str | URL, keys: KeyFile | None = None) -> None:
        # What a failed statement was given may be a secret, and its error ends in a log.
        self.engine: Engine = create_engine(
            url,
            connect_args={"timeout": BUSY_TIMEOUT, "check_same_thread": False},
            hide_parameters=True,
            execution_options={_KEYS: keys},
        )
        self._keys = keys
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="database")

    @classmethod
    def of(cls, paths: Paths, secret_key_file: str = "") -> Database:
        """The database of an instance. *secret_key_file*: the operator's, instead of the instance's own."""
        url = URL.create("sqlite", database=str(paths.database))
        return cls(url, KeyFile(paths.secret_key_file, secret_key_file))

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run ``work(connection, *args)`` in one transaction."""

        def transaction() -> T:
            with self.engine.begin() as connection:
                return work(connection, *args)

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    async def prepare(self, admin: str = "") -> None:
        """Create what is missing, bring an older database up to date, and remove what a killed controller left of its
        key file. *admin* (by default the local user) owns what nobody owned before. Only for who holds the lock.

        Raises:
            ModelServeError: the database was written by a newer version of this package.
        """
        if self._keys is not None:
            await asyncio.to_thread(self._keys.tidy)
        await self.run(_prepare, admin or local_user())
        if self.engine.url.database:
            await asyncio.to_thread(Path(self.engine.url.database).chmod, 0o600)

    async def close(self) -> None:
        """Finish the work under way and close the file."""
        await asyncio.to_thread(self._thread.shutdown, True)
        self.engine.dispose()


def key_file(connection: Connection) -> KeyFile:
    """The keys of the secrets in the database that *connection* leads to."""
    found = connection.get_execution_options()[_KEYS]
    if not isinstance(found, KeyFile):
        raise Unavailable("this database was opened without keys, so it keeps no secrets")
    return found


def _prepare(connection: Connection, admin: str) -> None:
    from jupyter_modelserve.controller.store import migrations

    tables.meta.create(connection, checkfirst=True)
    found = int(get_meta(connection, "schema_version") or 0)
    if found <= tables.SCHEMA_VERSION:
        tables.metadata.create_all(connection)
        for version in range(found + 1, tables.SCHEMA_VERSION + 1):
            if version in migrations.STEPS:
                migrations.STEPS[version](connection, admin)
        set_meta(connection, "schema_version", str(tables.SCHEMA_VERSION))
    else:
        raise ModelServeError(
            f"the database has version {found} of our tables, this program knows {tables.SCHEMA_VERSION}: "
            "it was written by a newer jupyter-modelserve; upgrade, or use another MODELSERVE_HOME"
        )


def get_meta(connection: Connection, name: str) -> str | None:
    """A named value of the instance, or ``None``."""
    query = select(tables.meta.c.value).where(tables.meta.c.name == name)
    value = connection.execute(query).scalar_one_or_none()
    return None if value is None else str(value)


def set_meta(connection: Connection, name: str, value: str) -> None:
    """Write a named value of the instance."""
    changed = connection.execute(update(tables.meta).where(tables.meta.c.name == name).values(value=value))
    if not changed.rowcount:
        connection.execute(insert(tables.meta).values(name=name, value=value))


def table_missing(error: OperationalError) -> bool:
    """Whether MLflow has not made its tables yet (first start)."""
    return "no such table" in str(error.orig)
