"""Values of secrets: kept, changed and forgotten apart from everything that is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from jupyter_modelserve.controller.endpoints import manager
from jupyter_modelserve.controller.store import audit, endpoints, secrets
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.tables import sealed_secrets
from jupyter_modelserve.errors import InvalidParameter, Unavailable
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, to_json

pytestmark = pytest.mark.req("REQ-140")
SPEC = EndpointSpec("iris", (ServedEntity("iris", Selector(SelectorKind.ACTIVE), "e"),), secrets=("KEY",))
PLAIN = EndpointSpec("iris", SPEC.entities)
ANN = Actor("ann")


def put(connection: Connection, spec: EndpointSpec, **values: str) -> int:
    return manager._put(connection, spec, "ann", False, ANN, values).generation


def bytes_of(directory: Path) -> bytes:
    """Everything in the directory: the database with whatever SQLite keeps beside it, and the keys."""
    return b"".join(each.read_bytes() for each in sorted(directory.iterdir()) if each.is_file())


async def sealed(database: Database) -> dict[str, str]:
    rows = await database.run(lambda connection: connection.execute(select(sealed_secrets)).all())
    return {row.name: row.sealed for row in rows}


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
    with pytest.raises(InvalidParameter, match="KEY has no value yet") as caught:
        await database.run(lambda connection: put(connection, SPEC))
    for way in ("%serve --secret KEY", "apply --secret-from-env KEY", "secret set iris KEY", "secret_values"):
        assert way in caught.value.message
    assert await database.run(endpoints.listing) == ()


async def test_a_value_never_lies_open_in_the_home(database: Database, tmp_path: Path) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    assert (await database.run(secrets.of, "iris"))["KEY"].value == "first-value"
    assert b"first-value" not in bytes_of(tmp_path)
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


async def test_a_name_that_is_left_out_is_forgotten_with_its_value(database: Database, tmp_path: Path) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    kept = (await sealed(database))["KEY"].encode()
    assert kept in bytes_of(tmp_path)
    assert await database.run(lambda connection: put(connection, PLAIN)) == 2
    assert await database.run(secrets.of, "iris") == {}
    assert kept not in bytes_of(tmp_path)


async def test_an_endpoint_takes_its_secrets_along(database: Database, tmp_path: Path) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    kept = (await sealed(database))["KEY"].encode()
    await database.run(endpoints.mark_deleting, "iris")
    await database.run(endpoints.remove, "iris")
    assert await database.run(secrets.of, "iris") == {}
    assert kept not in bytes_of(tmp_path)


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
        row = {"endpoint": "iris", "name": "KEY", "key": "k", "sealed": "first-value", "revision": "r"}
        for _ in range(2):
            connection.execute(insert(sealed_secrets).values(**row, set_at=1, set_by="ann"))

    with pytest.raises(IntegrityError) as caught:
        await database.run(twice)
    assert "modelserve_sealed_secrets" in str(caught.value)
    assert "first-value" not in str(caught.value)


async def test_what_was_sealed_for_one_place_does_not_open_at_another(database: Database) -> None:
    both = EndpointSpec("iris", SPEC.entities, secrets=("KEY", "OTHER"))
    await database.run(lambda connection: put(connection, both, KEY="first-value", OTHER="other-value"))
    moved = (await sealed(database))["OTHER"]
    change = update(sealed_secrets).where(sealed_secrets.c.name == "KEY").values(sealed=moved)
    await database.run(lambda connection: connection.execute(change))
    found = await database.run(secrets.of, "iris")
    assert (found["KEY"].value, found["OTHER"].value) == ("", "other-value")
    assert found["KEY"].problem == (
        "secret KEY of endpoint iris cannot be read: somebody else changed it in the database"
    )


async def test_a_lost_key_costs_what_it_sealed_until_it_is_back_or_set_again(
    database: Database, tmp_path: Path
) -> None:
    both = EndpointSpec("iris", SPEC.entities, secrets=("KEY", "OTHER"))
    await database.run(lambda connection: put(connection, both, KEY="first-value", OTHER="other-value"))
    before = (tmp_path / "secret.key").read_text()
    (tmp_path / "secret.key").unlink()
    lost = await database.run(secrets.of, "iris")
    assert {each.value for each in lost.values()} == {""}
    assert lost["KEY"].problem.endswith("is not in the key file")
    # What is not touched stays as it is, whatever else of the endpoint changes.
    assert await database.run(lambda connection: put(connection, both)) == 1
    assert await database.run(lambda connection: put(connection, both, KEY="new-value")) == 2
    found = await database.run(secrets.of, "iris")
    assert (found["KEY"].value, bool(found["OTHER"].problem)) == ("new-value", True)
    with (tmp_path / "secret.key").open("a") as stream:
        stream.write(before)
    found = await database.run(secrets.of, "iris")
    assert (found["KEY"].value, found["OTHER"].value) == ("new-value", "other-value")


async def test_a_new_key_seals_everything_and_the_old_one_is_gone(database: Database, tmp_path: Path) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    revision, kept = (await database.run(secrets.of, "iris"))["KEY"].revision, (await sealed(database))["KEY"]
    lines = (tmp_path / "secret.key").read_text().splitlines()
    turned = await database.run(secrets.rotate, ANN)
    # A crash here must lose nothing: both keys are there.
    assert lines[-1] in (tmp_path / "secret.key").read_text()
    assert await database.run(secrets.forget_keys) == ()
    assert (turned.renewed, turned.unreadable) == (1, ())
    found = (await database.run(secrets.of, "iris"))["KEY"]
    assert (found.value, found.revision) == ("first-value", revision)
    everything = bytes_of(tmp_path)
    assert lines[-1].encode() not in everything
    assert kept.encode() not in everything
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [each.action for each in await database.run(audit.listing)][-1] == "secret key rotated"


async def test_a_rotation_names_what_no_key_opens_and_goes_on(database: Database, tmp_path: Path) -> None:
    await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    (tmp_path / "secret.key").unlink()
    other = EndpointSpec("other", SPEC.entities, secrets=("KEY",))
    await database.run(lambda connection: put(connection, other, KEY="other-value"))
    turned = await database.run(secrets.rotate, ANN)
    assert (turned.renewed, turned.unreadable) == (1, ("iris/KEY",))
    assert (await database.run(secrets.of, "other"))["KEY"].value == "other-value"


async def test_the_operators_file_is_read_and_never_written(tmp_path: Path) -> None:
    given = tmp_path / "mounted" / "key"
    given.parent.mkdir()
    database = Database.of(Paths(tmp_path), str(given))
    await database.prepare("ann")
    with pytest.raises(Unavailable, match=r"secret_key_file.*does not exist"):
        await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    old, new = "A" * 43 + "=", "_" + "-" * 42 + "="
    given.write_text(f"# ours\n\n{old}\n")
    given.chmod(0o644)
    with pytest.raises(Unavailable, match="others may read"):
        await database.run(lambda connection: put(connection, SPEC, KEY="first-value"))
    given.chmod(0o440)
    assert await database.run(lambda connection: put(connection, SPEC, KEY="first-value")) == 1
    given.chmod(0o600)
    given.write_text(f"{new}\n{old}\n")
    turned = await database.run(secrets.rotate, ANN)
    unused = await database.run(secrets.forget_keys)
    assert (turned.renewed, len(unused), given.read_text()) == (1, 1, f"{new}\n{old}\n")
    given.write_text(f"{new}\n")
    assert (await database.run(secrets.of, "iris"))["KEY"].value == "first-value"
    assert not (tmp_path / "secret.key").exists()
    given.write_text("short\n")
    found = (await database.run(secrets.of, "iris"))["KEY"]
    assert "openssl rand -base64 32" in found.problem
    await database.close()
