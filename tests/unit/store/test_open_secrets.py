"""A database in which secrets lay open (version 3) becomes one in which nobody finds them any more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from jupyter_modelserve.controller.store import migrations, secrets
from jupyter_modelserve.controller.store.database import Database, get_meta
from jupyter_modelserve.errors import ModelServeError, Unavailable
from jupyter_modelserve.settings import Paths

pytestmark = pytest.mark.req("REQ-140")
MARK = b"plain-secret-"
# As version 3 made it, and as many rows as split pages, some with values that need pages of their own.
OLD = """
CREATE TABLE modelserve_meta (name VARCHAR(64) NOT NULL PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO modelserve_meta VALUES ('schema_version', '3');
CREATE TABLE modelserve_endpoint_secrets (
    endpoint VARCHAR(63) NOT NULL, name VARCHAR(128) NOT NULL, value TEXT NOT NULL, revision VARCHAR(32) NOT NULL,
    set_at BIGINT NOT NULL, set_by VARCHAR(256) NOT NULL, PRIMARY KEY (endpoint, name)
);
"""
ROWS = [
    (f"e{number % 7}", f"KEY_{number}", f"{MARK.decode()}{number} " + "x" * (number % 5 * 3000), f"r{number}", 5, "ann")
    for number in range(150)
]


def old(home: Path, mode: str = "delete") -> None:
    with closing(sqlite3.connect(home / "registry.db")) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.executescript(OLD)
        connection.executemany("INSERT INTO modelserve_endpoint_secrets VALUES (?, ?, ?, ?, ?, ?)", ROWS)
        connection.commit()


def traces(home: Path) -> Iterator[str]:
    return (each.name for each in home.iterdir() if each.is_file() and MARK in each.read_bytes())


@pytest.mark.parametrize("mode", ["delete", "wal"])
async def test_they_are_sealed_and_no_trace_is_left(tmp_path: Path, mode: str) -> None:
    old(tmp_path, mode)
    assert list(traces(tmp_path))
    database = Database.of(Paths(tmp_path))
    await database.prepare("ann")
    found = {each: await database.run(secrets.of, each) for each in {row[0] for row in ROWS}}
    for endpoint, name, value, revision, *_ in ROWS:
        assert found[endpoint][name] == secrets.Secret(revision, value)
    await database.close()
    assert list(traces(tmp_path)) == []


async def test_a_step_that_was_cut_short_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old(tmp_path)
    database = Database.of(Paths(tmp_path))

    def killed(connection: Connection, admin: str) -> None:
        migrations.seal_secrets(connection, admin)
        raise ModelServeError("the power went out")

    with monkeypatch.context() as patched:
        patched.setitem(migrations.STEPS, 4, killed)
        with pytest.raises(ModelServeError):
            await database.prepare("ann")
    assert await database.run(get_meta, "schema_version") == "3"
    await database.prepare("ann")
    assert sum([len(await database.run(secrets.of, f"e{number}")) for number in range(7)]) == len(ROWS)
    await database.close()
    assert list(traces(tmp_path)) == []


async def test_nothing_is_thrown_away_for_a_key_that_is_not_there(tmp_path: Path) -> None:
    old(tmp_path)
    database = Database.of(Paths(tmp_path), str(tmp_path / "away"))
    with pytest.raises(Unavailable, match="secret_key_file"):
        await database.prepare("ann")
    await database.close()
    database = Database.of(Paths(tmp_path))
    await database.prepare("ann")
    assert len(await database.run(secrets.of, "e0")) == 22
    await database.close()
