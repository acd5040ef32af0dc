"""Looking for changes never holds the event loop, whatever holds the database."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

from jupyter_modelserve.controller.registry.watch import ChangeWatch
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.settings import Paths

HELD = 2.0


async def test_a_locked_database_does_not_hold_the_event_loop(tmp_path: Path) -> None:
    database = Database.of(Paths(tmp_path))
    await database.prepare()
    noticed: asyncio.Queue[frozenset[str] | None] = asyncio.Queue()
    watch = asyncio.create_task(ChangeWatch(database, noticed.put_nowait, interval=0.01).run())
    try:
        await asyncio.wait_for(noticed.get(), 10)
        holder = sqlite3.connect(tmp_path / "registry.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        longest, last, end = 0.0, time.monotonic(), time.monotonic() + HELD
        while last < end:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        holder.execute("ROLLBACK")
        holder.close()
        assert longest < HELD / 2, f"the event loop stood still for {longest:.2f} s"
        assert await asyncio.wait_for(noticed.get(), 10) is None, "after the lock everything is looked at again"
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await database.close()
