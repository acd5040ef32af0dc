"""Our tables. They share MLflow's database, prefixed, so that a change and its record can be one transaction."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 4
"""Raised with every change of a table: ``store/migrations.py`` has a step for each. A newer database is refused."""

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

sealed_secrets = Table(
    "modelserve_sealed_secrets",
    metadata,
    Column("endpoint", String(63), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("key", String(16), nullable=False),
    Column("sealed", Text, nullable=False),
    Column("revision", String(32), nullable=False),
    Column("set_at", BigInteger, nullable=False),
    Column("set_by", String(256), nullable=False),
)
"""Never part of an answer: read by ``store/secrets.py`` alone. ``key``: the id of the key that opens it."""

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

checks = Table(
    "modelserve_checks",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("trial", Boolean, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("document", Text, nullable=False),
)
"""Verdicts of checks before serving, by the digest of the model's files (REQ-127)."""

interpreters = Table(
    "modelserve_interpreters",
    metadata,
    Column("path", String(1024), primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)

metastores = Table(
    "modelserve_metastores",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(256), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

workspaces = Table(
    "modelserve_workspaces",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("metastore", String(32), nullable=False),
    Column("default_catalog", String(256), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""Which metastore a workspace sees: several may name the same one (REQ-079)."""


def _container(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("name", String(256), primary_key=True),
        Column("comment", Text, nullable=False, default=""),
        Column("created_at", BigInteger, nullable=False),
        Column("created_by", String(256), nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        Column("updated_by", String(256), nullable=False),
    )


catalogs = _container("modelserve_catalogs")
schemas = _container("modelserve_schemas")

principals = Table(
    "modelserve_principals",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("display_name", String(256), nullable=False, default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(256), nullable=False),
)

members = Table(
    "modelserve_members",
    metadata,
    Column("group_name", String(256), primary_key=True),
    Column("member", String(256), primary_key=True),
)

owners = Table(
    "modelserve_owners",
    metadata,
    Column("type", String(16), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("owner", String(256), nullable=False),
)

grants = Table(
    "modelserve_grants",
    metadata,
    Column("type", String(16), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("principal", String(256), primary_key=True),
    Column("privilege", String(32), primary_key=True),
    Column("detail", String(255), primary_key=True, default=""),
    Column("granted_by", String(256), nullable=False),
    Column("granted_at", BigInteger, nullable=False),
)

audit = Table(
    "modelserve_audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("principal", String(256), nullable=False, default=""),
    Column("client", Text, nullable=False, default=""),
    Column("request_id", String(64), nullable=False, default=""),
    Column("action", String(64), nullable=False),
    Column("securable_type", String(32), nullable=False),
    Column("securable_name", String(256), nullable=False, index=True),
    Column("version", String(32), nullable=False, default=""),
    Column("before", Text, nullable=False, default=""),
    Column("after", Text, nullable=False, default=""),
    sqlite_autoincrement=True,
)

context = Table(
    "modelserve_context",
    metadata,
    Column("principal", String(256), nullable=False),
    Column("client", Text, nullable=False),
    Column("request_id", String(64), nullable=False),
)
"""Who makes the transaction under way: written at its begin and deleted before its end, so only its triggers see it."""

confirmations = Table(
    "modelserve_confirmations",
    metadata,
    Column("principal", String(256), primary_key=True),
    Column("what", String(512), primary_key=True),
    Column("at", BigInteger, nullable=False),
)
"""Refused deletions: who asks the same again within some minutes means it."""

tag_policies = Table(
    "modelserve_tag_policies",
    metadata,
    Column("key", String(256), primary_key=True),
    Column("allowed", Text, nullable=False),
    Column("comment", Text, nullable=False, default=""),
)
"""Governed tags: the values that a key may have, as a JSON list (REQ-097)."""

artifact_owners = Table(
    "modelserve_artifact_owners",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("principal", String(256), nullable=False),
)
"""Who made a logged model: only they may write its files."""

lineage_nodes = Table(
    "modelserve_lineage_nodes",
    metadata,
    Column("id", String(700), primary_key=True),
    Column("type", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("model", String(256), nullable=False, default="", index=True),
    Column("facts", Text, nullable=False, default="{}"),
    Column("at", BigInteger, nullable=False),
)
"""What lineage speaks of. ``model``: the registered model whose rights decide who may see it, if there is one."""

lineage_edges = Table(
    "modelserve_lineage_edges",
    metadata,
    Column("source", String(700), primary_key=True),
    Column("target", String(700), primary_key=True, index=True),
    Column("relation", String(16), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False, default=0),
    Column("facts", Text, nullable=False, default="{}"),
)

lineage_marks = Table(
    "modelserve_lineage_marks",
    metadata,
    Column("run", String(64), primary_key=True),
)
"""Runs that changed since lineage looked at them; written by triggers on MLflow's tables."""

notebook_runs = Table(
    "modelserve_notebook_runs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("notebook", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("parameters", Text, nullable=False, default="{}"),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False, default=0),
    Column("failed", Text, nullable=False, default=""),
    Column("records", Text, nullable=False, default="{}"),
    Column("principal", String(256), nullable=False),
    # Each report counts its principal's runs, which must not read all of their results.
    Index("modelserve_notebook_runs_of", "principal", "number"),
)
