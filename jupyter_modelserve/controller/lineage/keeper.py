"""Keeps the edges in step with what happens: with the change feed, with runs that were noted, with endpoints.

Every read brings them up to date first, so that an answer is never behind what happened before the question; a task
does the same now and then, so that facts are here before somebody deletes a run.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from sqlalchemy import Connection, delete, inspect, select, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from jupyter_modelserve.controller.lineage import foreign, registry, runs, serving
from jupyter_modelserve.controller.store import feed, lineage_triggers
from jupyter_modelserve.controller.store.database import BUSY_TIMEOUT, Database, get_meta, set_meta
from jupyter_modelserve.controller.store.eye import Eye
from jupyter_modelserve.controller.store.tables import lineage_marks as marks

FOLLOWED: Final = "lineage_followed"
"""Number of the last change of the registry that was looked at."""
BACKFILLED: Final = "lineage_backfilled"
"""How far the versions that were there before have been looked at (SQLite's row); empty when all have."""
PORTION: Final = 100
"""Changes in one transaction: nobody else can write meanwhile (about a tenth of a second)."""
INTERVAL: Final = 1.0
BREATH: Final = 0.05
PAUSE: Final = 5.0
log = logging.getLogger(__name__)


def follow(connection: Connection, patient: bool = True) -> bool:
    """Write a portion of what has happened since the last time; whether there is more of it.

    A change or run that cannot be read is logged and left out: anybody may set a tag, and nobody's may stop the others.
    Who is not *patient* comes back later when somebody else writes: the database's one thread must not wait for them.
    """
    if not _pending(connection):
        return False
    # Alone among all writers: a run that is noted meanwhile must not be taken off the list unseen.
    if not _begin_alone(connection, patient):
        return True
    followed = get_meta(connection, FOLLOWED)
    if followed is None:
        return lineage_triggers.install(connection) and _begin(connection)
    changes = feed.after(connection, int(followed), PORTION)
    for change in changes:
        with foreign.apart(connection, f"{change.kind}: {change.model} {change.version}"):
            registry.follow(connection, change)
    if changes:
        set_meta(connection, FOLLOWED, str(changes[-1].number))
    for run in connection.execute(select(marks.c.run).limit(PORTION)).scalars().all():
        with foreign.apart(connection, f"run {run}"):
            runs.record(connection, run)
        connection.execute(delete(marks).where(marks.c.run == run))
    _backfill(connection)
    endpoints = serving.pending(connection)
    if endpoints:
        serving.record(connection, endpoints)
    return _pending(connection)


def _begin_alone(connection: Connection, patient: bool) -> bool:
    milliseconds = int(BUSY_TIMEOUT * 1000)
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds if patient else 0}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except OperationalError:
        if patient:
            raise
        return False
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
    return True


async def up_to_date(database: Database) -> None:
    """Write all of it; between portions others have their turn at the database."""
    more = True
    while more:
        more = await database.run(follow)


def _pending(connection: Connection) -> bool:
    followed = get_meta(connection, FOLLOWED)
    if followed is None:
        return inspect(connection).has_table("registered_models")
    if feed.newest(connection) > int(followed) or connection.execute(select(marks.c.run).limit(1)).first():
        return True
    return bool(get_meta(connection, BACKFILLED) or serving.pending(connection))


def _begin(connection: Connection) -> bool:
    """A database of an earlier release, or a new one: what is there now is looked at, as far as it is known."""
    query = (
        "INSERT OR IGNORE INTO modelserve_lineage_marks (run) "
        "SELECT destination_id FROM inputs WHERE destination_type = 'RUN' "
        "UNION SELECT source_id FROM inputs WHERE source_type IN ('RUN_INPUT', 'RUN_OUTPUT') "
        "UNION SELECT source_run_id FROM logged_models WHERE source_run_id IS NOT NULL"
    )
    connection.execute(text(query))
    set_meta(connection, FOLLOWED, str(feed.newest(connection)))
    set_meta(connection, BACKFILLED, "0")
    return True


def _backfill(connection: Connection) -> None:
    since = get_meta(connection, BACKFILLED)
    if since:
        last = registry.before(connection, int(since), PORTION)
        set_meta(connection, BACKFILLED, str(last) if last else "")


async def keep(database: Database) -> None:
    """Follow until cancelled; whatever fails is tried again later."""
    eye = Eye(database.engine)
    seen: tuple[int, int] | None = None
    try:
        while True:
            try:
                look = await eye.look()
                more = look != seen and await database.run(follow, False)
                if more:
                    await asyncio.sleep(BREATH)
                    continue
                seen = look
                await asyncio.sleep(INTERVAL)
            except SQLAlchemyError as error:
                log.warning("lineage is not kept until the database answers: %s", error)
                seen = None
                await asyncio.sleep(PAUSE)
            except Exception:
                log.exception("lineage is behind; it is tried again")
                seen = None
                await asyncio.sleep(PAUSE)
    finally:
        await eye.close()
