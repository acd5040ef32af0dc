"""Our tables. They share MLflow's database, prefixed, so that a change and its record can be one transaction."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 1
"""Raised with every change of a table; a database of a newer version is refused, never guessed at."""

metadata = MetaData()

meta = Table(
    "modelserve_meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

endpoints = Table(
    "modelserve_endpoints",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("spec", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("created_by", String(256), nullable=False),
    Column("deleting", Boolean, nullable=False, default=False),
)

events = Table(
    "modelserve_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("endpoint", String(63), nullable=False, index=True),
    Column("kind", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("model", String(256), nullable=False, default=""),
    Column("version", String(32), nullable=False, default=""),
    Column("data", Text, nullable=False, default="{}"),
    sqlite_autoincrement=True,
)

tokens = Table(
    "modelserve_tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("principal", String(256), nullable=False),
    Column("comment", Text, nullable=False, default=""),
    Column("scopes", String(256), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, default=0),
    Column("last_used_at", BigInteger, nullable=False, default=0),
)

digests = Table(
    "modelserve_digests",
    metadata,
    Column("model", String(256), primary_key=True),
    Column("version", String(32), primary_key=True),
    Column("created_at", BigInteger, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
)

interpreters = Table(
    "modelserve_interpreters",
    metadata,
    Column("path", String(1024), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)
