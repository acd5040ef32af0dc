"""Values of secrets: kept, changed and forgotten apart from everything that is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from jupyter_modelserve.controller.endpoints import manager
from jupyter_modelserve.controller.store import audit, endpoints, secrets
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.tables import endpoint_secrets
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, to_json

pytestmark = pytest.mark.req("REQ-140")
SPEC = EndpointSpec("iris", (ServedEntity("iris", Selector(SelectorKind.ACTIVE), "e"),), secrets=("KEY",))
PLAIN = EndpointSpec("iris", SPEC.entities)


def put(connection: Connection, spec: EndpointSpec, **values: str) -> int:
    return manager._put(connection, spec, "ann", False, Actor("ann"), values).generation


async def test_a_value_makes_a_new_generation_only_when_it_is_another(database: Database) -> None:
    assert await database.run(lambda connection: put(connection, SPEC, KEY="first-value")) == 1
    first = (await database.run(secrets.of, "iris"))["KEY"]
    assert await database.run(lambda connection: put(connection, SPEC)) == 1
    assert await database.run(lambda connection: put(connection, SPEC, KEY="first-value")) == 1
    assert (await database.run(secrets.of, "iris"))["KEY"] == first
    assert await database.run(lambda connection: put(connection, SPEC, KEY="other-value")) == 2
    second = (await database.run(secrets.of, "iris"))["KEY"]
    assert second.value == "other-value"
    assert second.revision != first.revision


async def test_a_name_without_a_value_is_refused_and_nothing_is_stored(database: Database) -> None:
    with pytest.raises(InvalidParameter, match="KEY has no value yet"):
        await database.run(lambda connection: put(connection, SPEC))
    assert await database.run(endpoints.listing) == ()


async def test_a_name_that_is_left_out_is_forgotten_with_its_value(database: Database, tmp_path: Path) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    assert b"first-value" in (tmp_path / "registry.db").read_bytes()
    assert await database.run(lambda connection: put(connection, PLAIN)) == 2
    assert await database.run(secrets.of, "iris") == {}
    assert b"first-value" not in (tmp_path / "registry.db").read_bytes()


async def test_an_endpoint_takes_its_secrets_along(database: Database, tmp_path: Path) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    await database.run(endpoints.mark_deleting, "iris")
    await database.run(endpoints.remove, "iris")
    assert await database.run(secrets.of, "iris") == {}
    assert b"first-value" not in (tmp_path / "registry.db").read_bytes()


async def test_what_is_recorded_names_secrets_and_holds_no_value(database: Database) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    await database.run(lambda connection: put(connection, PLAIN))
    records = await database.run(audit.listing)
    told = [(each.action, each.before, each.after) for each in records if "secret" in each.action]
    assert told == [("endpoint secret set", "", "KEY"), ("endpoint secret removed", "KEY", "")]
    assert "first-value" not in str(to_json(records))
    assert "first-value" not in repr(await database.run(secrets.of, "iris"))


async def test_a_failed_statement_does_not_tell_what_it_was_given(database: Database) -> None:
    def twice(connection: Connection) -> None:
        row = {"endpoint": "iris", "name": "KEY", "value": "first-value", "revision": "r", "set_at": 1, "set_by": "ann"}
        for _ in range(2):
            connection.execute(insert(endpoint_secrets).values(**row))

    with pytest.raises(IntegrityError) as caught:
        await database.run(twice)
    assert "modelserve_endpoint_secrets" in str(caught.value)
    assert "first-value" not in str(caught.value)
