"""Catalogs, principals, grants and owners on a real SQLite file: judged, written and recorded in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from jupyter_modelserve.controller.governance import catalogs, grants, history, principals, statements, tags, tokens
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import (
    METASTORE,
    catalog,
    check_grantable,
    model,
    right,
    schema,
    securable,
)
from jupyter_modelserve.controller.governance.service import Governance
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.governance.state import ALL_USERS, State
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.errors import AlreadyExists, Conflict, InvalidParameter, NotFound, PermissionDenied
from jupyter_modelserve.governed import PrincipalKind
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Scope

U, G, S = PrincipalKind.USER, PrincipalKind.GROUP, PrincipalKind.SERVICE_PRINCIPAL


class House:
    """A database with an admin ``root`` and two users, and short calls."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told: list[State] = []
        self.governance = Governance(database, self._told)

    async def _told(self, state: State) -> None:
        self.told.append(state)

    async def do(self, who: str, work: Callable[..., Any], *args: Any) -> Any:
        """A change by *who*."""
        return await self.governance.change(Actor(who, "a test", "r1"), work, *args)

    async def see(self, who: str, work: Callable[..., Any], *args: Any) -> Any:
        """A read by *who*."""
        return await self.governance.read(Actor(who), work, *args)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    database = Database.of(Paths(tmp_path))
    await database.prepare("root")
    await database.run(_models)
    found = House(database)
    for name in ("ann", "bob"):
        await found.do("root", principals.create, name, U)
    yield found
    await database.close()


def _models(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE registered_models (name TEXT)"))
    connection.execute(text("INSERT INTO registered_models VALUES ('prod.ml.m')"))


@pytest.mark.req("REQ-055")
async def test_a_new_instance_has_main_default(house: House) -> None:
    assert [each.name for each in await house.see("root", catalogs.list_catalogs)] == ["main"]
    assert [each.name for each in await house.see("root", catalogs.list_schemas)] == ["main.default"]
    assert (await house.see("ann", catalogs.list_catalogs)) == ()
    seen = await house.see("ann", catalogs.metastore)
    assert (seen.owner, seen.default_catalog, seen.workspaces) == ("root", "main", ("workspace",))


async def test_a_catalog_from_creation_to_deletion(house: House) -> None:
    made = await house.do("root", catalogs.create_catalog, "dev", "for trying")
    assert (made.name, made.comment, made.owner) == ("dev", "for trying", "root")
    with pytest.raises(AlreadyExists):
        await house.do("root", catalogs.create_catalog, "DEV")
    with pytest.raises(PermissionDenied, match="CREATE_CATALOG on METASTORE"):
        await house.do("ann", catalogs.create_catalog, "mine")
    await house.do("root", statements.run, "GRANT CREATE CATALOG ON METASTORE TO ann; ALTER CATALOG dev OWNER TO bob")
    assert (await house.do("ann", catalogs.create_catalog, "mine")).owner == "ann"
    assert (await house.do("bob", catalogs.create_schema, "dev.team", "x")).owner == "bob"
    with pytest.raises(NotFound):
        await house.do("root", catalogs.create_schema, "nowhere.team")
    await house.do("bob", catalogs.update_comment, schema("dev.team"), "y")
    assert (await house.see("bob", catalogs.get_schema, "dev.team")).comment == "y"
    with pytest.raises(Conflict, match=r"it holds dev\.team"):
        await house.do("bob", catalogs.remove, catalog("dev"))
    await house.do("bob", catalogs.remove, catalog("dev"), True)
    with pytest.raises(NotFound):
        await house.see("root", catalogs.get_catalog, "dev")
    with pytest.raises(PermissionDenied):
        await house.see("bob", catalogs.get_catalog, "dev")


async def test_a_catalog_with_models_or_the_default_one_stays(house: House) -> None:
    await house.do("root", catalogs.create_catalog, "prod")
    await house.do("root", catalogs.create_schema, "prod.ml")
    for on in (catalog("prod"), schema("prod.ml")):
        with pytest.raises(Conflict, match=r"prod\.ml\.m"):
            await house.do("root", catalogs.remove, on, True)
    with pytest.raises(Conflict, match="default catalog"):
        await house.do("root", catalogs.remove, catalog("main"))


@pytest.mark.req("REQ-061")
async def test_the_default_catalog_is_the_admins_to_choose(house: House) -> None:
    with pytest.raises(PermissionDenied):
        await house.do("ann", catalogs.set_default_catalog, "main")
    with pytest.raises(NotFound):
        await house.do("root", catalogs.set_default_catalog, "nowhere")
    await house.do("root", catalogs.create_catalog, "other")
    assert (await house.do("root", catalogs.set_default_catalog, "other")).default_catalog == "other"
    await house.do("root", catalogs.remove, catalog("main"))


@pytest.mark.req("REQ-080")
async def test_a_group_owns_what_its_members_work_on(house: House) -> None:
    await house.do("root", principals.create, "team", G)
    await house.do("root", principals.add_member, "team", "ann")
    await house.do("root", grants.set_owner, model("prod.ml.m"), "team")
    await house.do("root", catalogs.create_catalog, "prod")
    await house.do("root", catalogs.create_schema, "prod.ml")
    with pytest.raises(PermissionDenied, match="USE_CATALOG"):
        await house.do("ann", grants.grant, "bob", right("EXECUTE"), model("prod.ml.m"))
    await house.do("root", statements.run, "GRANT USE CATALOG, USE SCHEMA ON CATALOG prod TO `account users`")
    await house.do("ann", grants.grant, "bob", right("EXECUTE"), model("prod.ml.m"))
    assert (await house.see("bob", grants.why, "version.read", model("prod.ml.m"))).allowed
    await house.do("root", principals.remove_member, "team", "ann")
    with pytest.raises(PermissionDenied):
        await house.do("ann", grants.revoke, "bob", right("EXECUTE"), model("prod.ml.m"))


async def test_groups_hold_no_groups_and_the_last_admin_stays(house: House) -> None:
    for name in ("outer", "inner"):
        await house.do("root", principals.create, name, G)
    with pytest.raises(InvalidParameter, match="groups hold users"):
        await house.do("root", principals.add_member, "outer", "inner")
    with pytest.raises(InvalidParameter):
        await house.do("root", principals.add_member, ALL_USERS, "ann")
    with pytest.raises(NotFound):
        await house.do("root", principals.add_member, "outer", "nobody")
    with pytest.raises(Conflict, match="no admin"):
        await house.do("root", grants.set_owner, METASTORE, "outer")
    await house.do("root", principals.add_member, "outer", "root")
    await house.do("root", grants.set_owner, METASTORE, "outer")
    with pytest.raises(Conflict, match="no admin left"):
        await house.do("root", principals.remove_member, "outer", "root")
    await house.do("root", principals.add_member, "outer", "ann")
    await house.do("ann", principals.create, "carl", U)


async def test_a_principal_goes_with_its_grants_and_tokens(house: House) -> None:
    await house.do("root", grants.grant, "bob", right("EXECUTE"), model("prod.ml.m"))
    await house.do("root", tokens.create, "bob", "", (Scope.ALL,), None)
    await house.do("root", grants.set_owner, catalog("main"), "ann")
    with pytest.raises(Conflict, match="owns CATALOG main"):
        await house.do("root", principals.remove, "ann")
    await house.do("root", principals.remove, "bob")
    assert await house.see("root", grants.listing, model("prod.ml.m")) == ()
    assert {each.principal for each in await house.see("root", tokens.listing)} == set()
    await house.do("root", principals.create, "bob", U)
    assert not (await house.see("bob", grants.why, "version.read", model("prod.ml.m"))).allowed


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 201])
async def test_names_that_nobody_can_type_are_refused(house: House, name: str) -> None:
    with pytest.raises(InvalidParameter):
        await house.do("root", principals.create, name, S)


@pytest.mark.req("REQ-086")
async def test_grants_are_idempotent_and_recorded_once(house: House) -> None:
    on = model("prod.ml.m")
    for _ in range(2):
        await house.do("root", grants.grant, "ann", right("SET_ALIAS(Champion)"), on)
    for _ in range(2):
        await house.do("root", grants.revoke, "ann", right("SET_ALIAS(Champion)"), on)
    found = await house.see("root", history.listing, ("FUNCTION", on.name), "", "", 0, 100)
    assert [(each.action, each.before, each.after) for each in found] == [
        ("granted", "", "SET_ALIAS(Champion) to ann"),
        ("revoked", "SET_ALIAS(Champion) from ann", ""),
    ]
    assert {(each.principal, each.client, each.request_id) for each in found} == {("root", "a test", "r1")}


async def test_a_failed_statement_takes_the_earlier_ones_back(house: House) -> None:
    told = len(house.told)
    with pytest.raises(NotFound):
        await house.do(
            "root", statements.run, "GRANT EXECUTE ON CATALOG main TO ann; GRANT EXECUTE ON CATALOG x TO ann"
        )
    assert await house.see("root", grants.listing, catalog("main")) == ()
    assert await house.see("root", history.listing, ("CATALOG", "main"), "", "", 0, 100) == ()
    assert len(house.told) == told
    assert not (await house.see("ann", grants.why, "catalog.view", catalog("main"))).allowed


async def test_who_sees_grants(house: House) -> None:
    await house.do("root", grants.grant, "ann", right("USE CATALOG"), catalog("main"))
    with pytest.raises(PermissionDenied, match="MANAGE"):
        await house.see("ann", grants.listing, catalog("main"))
    assert len(await house.see("ann", grants.listing, catalog("main"), "ann")) == 1
    assert len(await house.see("ann", grants.of_principal, "ann")) == 1
    assert [each.privilege for each in await house.see("ann", grants.effective, catalog("main"), "ann")] == [
        "USE_CATALOG"
    ]
    with pytest.raises(PermissionDenied):
        await house.see("ann", grants.why, "catalog.view", catalog("main"), "bob")
    results = await house.do(
        "ann", statements.run, "SHOW GRANTS TO ann; SHOW EFFECTIVE GRANTS ann ON SCHEMA main.default"
    )
    assert [len(each.grants) for each in results] == [1, 0]


@pytest.mark.parametrize(
    ("text_", "kind", "name"),
    [("EXECUTE", "METASTORE", ""), ("USE CATALOG", "SCHEMA", "main.default"), ("SET_STAGE(Staging)", "MODEL", "a.b.c")],
)
async def test_a_right_that_an_object_does_not_know_is_refused(house: House, text_: str, kind: str, name: str) -> None:
    def work(session: Session) -> None:
        check_grantable(right(text_), securable(kind, name))

    with pytest.raises(InvalidParameter, match="cannot be granted on"):
        await house.do("root", work)


async def test_tokens_are_ones_own_unless_one_is_the_admin(house: House) -> None:
    _, mine = await house.do("ann", tokens.create, "ann", "mine", (Scope.SCORE,), 60)
    assert [each.id for each in await house.see("ann", tokens.listing)] == [mine.id]
    assert await house.see("bob", tokens.listing) == ()
    with pytest.raises(NotFound):
        await house.do("bob", tokens.revoke, mine.id)
    with pytest.raises(PermissionDenied):
        await house.do("bob", tokens.create, "ann", "", (Scope.ALL,), None)
    with pytest.raises(InvalidParameter, match="group"):
        await house.do("root", tokens.create, ALL_USERS, "", (Scope.ALL,), None)
    with pytest.raises(NotFound):
        await house.do("root", tokens.create, "nobody", "", (Scope.ALL,), None)
    await house.do("root", tokens.revoke, mine.id)


@pytest.mark.req("REQ-097")
async def test_tag_policies_are_the_admins(house: House) -> None:
    with pytest.raises(PermissionDenied):
        await house.do("ann", tags.set_policy, "status", ("a",))
    await house.do("root", tags.set_policy, "status", ("a", "b"))
    with pytest.raises(InvalidParameter, match="a, b by the tag policy"):
        await house.database.run(tags.check_tag, "status", "c")
    await house.do("root", tags.remove_policy, "status")
    await house.database.run(tags.check_tag, "status", "c")


async def test_everybody_is_told_of_a_change(house: House) -> None:
    before = len(house.told)
    await house.do("root", grants.grant, "ann", right("USE CATALOG"), catalog("main"))
    assert len(house.told) == before + 1
    assert house.told[-1].revision > house.told[-2].revision
    assert (await house.governance.may(Actor("ann"), Operation.CATALOG_VIEW, catalog("main"))) is True
