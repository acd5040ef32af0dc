"""Makes MLflow's tables in one step.

MLflow builds a new database by some seventy migrations, each committed by itself: a process that is killed among them
leaves a database that MLflow can neither use nor repair. So they run on a scratch file, and what comes out is copied
into the real database in a single transaction.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

_BUSY_TIMEOUT_S = 20.0


def ensure_tables(database: Path, artifact_root: str, scratch_root: Path) -> bool:
    """Create MLflow's tables in *database* when it has none; returns whether it did.

    Tables of ours that are there already stay as they are. *scratch_root* is an existing directory below the working
    directory; what a killed process left there is for the caller to remove.

    Raises:
        OSError, sqlite3.Error: the database cannot be written.
    """
    if _has_tables(database):
        return False
    with tempfile.TemporaryDirectory(dir=scratch_root, prefix="schema-") as directory:
        scratch = Path(directory) / "new.db"
        _migrate(scratch, artifact_root)
        _copy(scratch, database)
    database.chmod(0o600)
    return True


def _has_tables(database: Path) -> bool:
    if not database.exists():
        return False
    with closing(sqlite3.connect(database, timeout=_BUSY_TIMEOUT_S)) as connection:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        return connection.execute(query).fetchone() is not None


def _migrate(scratch: Path, artifact_root: str) -> None:
    from mlflow.store.tracking import sqlalchemy_store

    make_store: Any = sqlalchemy_store.SqlAlchemyStore
    with _unsynchronized(scratch):
        # Relative to the working directory, which is the home: see mlflow_app.configure.
        make_store(f"sqlite:///{scratch.relative_to(Path.cwd())}", artifact_root).engine.dispose()


@contextmanager
def _unsynchronized(scratch: Path) -> Iterator[None]:
    """Nobody needs the scratch file after a crash, and seventy commits that wait for the disk are most of a first
    start where the disk is slow.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        if Path(connection.execute("PRAGMA database_list").fetchone()[2]).samefile(scratch):
            connection.execute("PRAGMA synchronous=OFF")

    scratch.touch(mode=0o600)
    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)


def _copy(scratch: Path, database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        connection.execute("ATTACH DATABASE ? AS scratch", (str(scratch),))
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(
            "SELECT type, name, sql FROM scratch.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        for kind in ("table", "index", "trigger", "view"):
            for _, name, statement in (row for row in rows if row[0] == kind):
                connection.execute(statement)
                if kind == "table":
                    _copy_rows(connection, name)
        connection.execute("COMMIT")


def _copy_rows(connection: sqlite3.Connection, table: str) -> None:
    # Generated columns cannot be written; `hidden` is 0 for all others.
    query = "SELECT name FROM pragma_table_xinfo(?, 'scratch') WHERE hidden = 0"
    columns = ", ".join(f'"{name}"' for (name,) in connection.execute(query, (table,)).fetchall())
    connection.execute(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM scratch."{table}"')  # noqa: S608
