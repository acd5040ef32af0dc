"""A database of version 1 becomes version 2 in place, also when the step is cut short and run again."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from jupyter_modelserve.controller.governance.decide import decide
from jupyter_modelserve.controller.governance.loading import current
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, catalog, model, schema
from jupyter_modelserve.controller.store import migrations, tables, tokens
from jupyter_modelserve.controller.store.database import Database, get_meta, set_meta
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Scope

OLD = ("meta", "endpoints", "events", "tokens", "digests", "interpreters")
MODELS = ("iris", "prod.ml.fraud", "dev.a_b.x", "two.parts", "a.b.c.d")


def _version_1(connection: Connection) -> None:
    """The tables of version 1, as that version wrote them, beside MLflow's."""
    for name in OLD:
        getattr(tables, name).create(connection)
    set_meta(connection, "schema_version", "1")
    tokens.adopt(connection, "ms_secret", "ann", "the local user's token")
    connection.execute(text("CREATE TABLE registered_models (name TEXT)"))
    for name in MODELS:
        connection.execute(text("INSERT INTO registered_models VALUES (:name)"), {"name": name})


@pytest.mark.req("REQ-055", "REQ-079")
async def test_an_instance_of_version_1_upgrades_in_place(tmp_path: Path) -> None:
    database = Database.of(Paths(tmp_path))
    await database.run(_version_1)
    await database.prepare("ann")
    state = await database.run(current)
    for on in (METASTORE, catalog("main"), schema("main.default"), catalog("prod"), schema("dev.a_b")):
        assert state.owners[on] == "ann"
    assert {on.name for on in state.owners if on.type.value == "CATALOG"} == {"main", "prod", "dev"}
    assert {state.owners[model(name)] for name in MODELS} == {"ann"}
    assert state.default_catalog == "main"
    for operation in Operation:
        assert decide(state, "ann", operation, model("prod.ml.fraud")).allowed
        assert not decide(state, "bob", operation, model("prod.ml.fraud")).allowed
    assert await database.run(get_meta, "schema_version") == "4"
    assert [each.principal for each in (await database.run(tokens.grants)).values()] == ["ann"]
    assert (await database.run(tokens.listing))[0].scopes == (Scope.ALL,)
    await database.close()


async def test_a_step_that_was_cut_short_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.of(Paths(tmp_path))
    await database.run(_version_1)

    def killed(connection: Connection, admin: str) -> None:
        migrations.governance(connection, admin)
        raise ModelServeError("the power went out")

    with monkeypatch.context() as patched:
        patched.setitem(migrations.STEPS, 2, killed)
        with pytest.raises(ModelServeError):
            await database.prepare("ann")
    assert await database.run(get_meta, "schema_version") == "1"
    await database.prepare("ann")
    await database.prepare("bob")
    assert (await database.run(current)).owners[METASTORE] == "ann"
    rows = await database.run(lambda connection: connection.execute(select(tables.metastores)).all())
    assert len(rows) == 1
    await database.close()


async def test_models_that_somebody_registered_past_us_are_adopted(tmp_path: Path) -> None:
    database = Database.of(Paths(tmp_path))
    await database.run(_version_1)
    await database.prepare("ann")
    assert not await database.run(migrations.unowned)

    def past_us(connection: Connection) -> None:
        connection.execute(text("INSERT INTO registered_models VALUES ('new.one.m')"))

    await database.run(past_us)
    assert await database.run(migrations.unowned)
    assert await database.run(migrations.adopt, "ann") == 3
    assert not await database.run(migrations.unowned)
    await database.close()
