"""Catalogs and schemas: create, list, get, update, delete. One that is not empty is deleted by force only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, delete, insert, inspect, select, text, update

from jupyter_modelserve import names
from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.securables import METASTORE, Securable, catalog, schema
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.store import tables
from jupyter_modelserve.controller.store.database import now_ms
from jupyter_modelserve.errors import AlreadyExists, Conflict, InvalidParameter, NotFound
from jupyter_modelserve.governed import Catalog, Metastore, Schema, SecurableType

C = TypeVar("C", Catalog, Schema)
O = Operation  # noqa: E741 - as in the table of operations
LONGEST_COMMENT = 5000
_VIEW = {SecurableType.CATALOG: O.CATALOG_VIEW, SecurableType.SCHEMA: O.SCHEMA_VIEW}
_CREATE = {SecurableType.CATALOG: O.CATALOG_CREATE, SecurableType.SCHEMA: O.SCHEMA_CREATE}
_UPDATE = {SecurableType.CATALOG: O.CATALOG_UPDATE, SecurableType.SCHEMA: O.SCHEMA_UPDATE}
_DELETE = {SecurableType.CATALOG: O.CATALOG_DELETE, SecurableType.SCHEMA: O.SCHEMA_DELETE}


def metastore(session: Session) -> Metastore:
    """The metastore as this instance's workspace sees it (REQ-055, REQ-079)."""
    session.require(O.METASTORE_VIEW)
    row = session.connection.execute(select(tables.metastores)).one()
    seen = session.connection.execute(
        select(tables.workspaces)
        .where(tables.workspaces.c.metastore == row.id)
        .order_by(tables.workspaces.c.created_at)
    ).all()
    return Metastore(
        id=row.id,
        name=row.name,
        owner=session.state.owner(METASTORE),
        workspace=seen[0].name,
        default_catalog=seen[0].default_catalog,
        workspaces=tuple(each.name for each in seen),
    )


def set_default_catalog(session: Session, name: str) -> Metastore:
    """Where a one-word or two-word name is looked for when a catalog is meant (REQ-061).

    Raises:
        NotFound: there is no such catalog.
    """
    session.require(O.METASTORE_UPDATE)
    _row(session.connection, catalog(names.check_container(name, 1)))
    before = session.state.default_catalog
    session.connection.execute(update(tables.workspaces).values(default_catalog=name))
    session.changed("default catalog changed", METASTORE, before, name)
    return metastore(session)


def _table(on: Securable) -> Table:
    return tables.catalogs if on.type is SecurableType.CATALOG else tables.schemas


def _row(connection: Connection, on: Securable) -> Row[Any]:
    row = connection.execute(select(_table(on)).where(_table(on).c.name == on.name)).one_or_none()
    if row is None:
        raise missing(on)
    return row


def missing(on: Securable) -> NotFound:
    """The error for a catalog or schema that is not there."""
    word = on.type.value.lower()
    return NotFound(f"{word} {on.name} does not exist; `%catalogs` lists what is", details={word: on.name})


def _of(make: Callable[..., C], state: State, on: Securable, row: Row[Any]) -> C:
    return make(**{**row._mapping, "owner": state.owner(on)})


def exists(connection: Connection, on: Securable) -> bool:
    """Whether a catalog or schema is there."""
    return connection.execute(select(_table(on).c.name).where(_table(on).c.name == on.name)).first() is not None


def _listing(session: Session, make: Callable[..., C], table: Table, object_of: Callable[[str], Securable]) -> list[C]:
    found = []
    for row in session.connection.execute(select(table).order_by(table.c.name)).all():
        on = object_of(row.name)
        if session.may(_VIEW[on.type], on):
            found.append(_of(make, session.state, on, row))
    return found


def list_catalogs(session: Session) -> tuple[Catalog, ...]:
    """Catalogs that the caller may see, by name."""
    return tuple(_listing(session, Catalog, tables.catalogs, catalog))


def list_schemas(session: Session, within: str = "") -> tuple[Schema, ...]:
    """Schemas that the caller may see, of one catalog or of all.

    Raises:
        NotFound, PermissionDenied: of the catalog.
    """
    if within:
        get_catalog(session, within)
    found = _listing(session, Schema, tables.schemas, schema)
    return tuple(each for each in found if not within or each.catalog == within)


def get_catalog(session: Session, name: str) -> Catalog:
    """One catalog. Raises PermissionDenied before NotFound, so that a refusal does not tell what there is."""
    on = catalog(names.check_container(name, 1))
    session.require(O.CATALOG_VIEW, on)
    return _of(Catalog, session.state, on, _row(session.connection, on))


def get_schema(session: Session, name: str) -> Schema:
    """One schema. Raises as :func:`get_catalog`."""
    on = schema(names.check_container(name, 2))
    session.require(O.SCHEMA_VIEW, on)
    return _of(Schema, session.state, on, _row(session.connection, on))


def create_catalog(session: Session, name: str, comment: str = "") -> Catalog:
    """A catalog with a schema ``default`` in it; the caller owns both.

    Raises:
        AlreadyExists: there is one of that name, in whatever case.
    """
    _create(session, catalog(names.check_container(name, 1)), comment)
    _create(session, schema(f"{name}.default"), "")
    return get_catalog(session, name)


def create_schema(session: Session, name: str, comment: str = "") -> Schema:
    """A schema in a catalog that exists; the caller owns it.

    Raises:
        AlreadyExists: there is one of that name. NotFound: its catalog does not exist.
    """
    on = schema(names.check_container(name, 2))
    session.require(O.SCHEMA_CREATE, on)
    assert on.parent is not None
    _row(session.connection, on.parent)
    _create(session, on, comment)
    return get_schema(session, name)


def _create(session: Session, on: Securable, comment: str) -> None:
    session.require(_CREATE[on.type], on)
    table = _table(on)
    known = session.connection.execute(select(table.c.name)).scalars()
    same = next((each for each in known if each.lower() == on.name.lower()), None)
    if same is not None:
        raise AlreadyExists(f"{on.type.value.lower()} {same} exists already", details={"name": same})
    now = now_ms()
    session.connection.execute(
        insert(table).values(
            name=on.name,
            comment=_checked_comment(comment),
            created_at=now,
            created_by=session.principal,
            updated_at=now,
            updated_by=session.principal,
        )
    )
    session.connection.execute(insert(tables.owners).values(type=on.type.value, name=on.name, owner=session.principal))
    session.changed(f"{on.type.value.lower()} created", on)


def _checked_comment(comment: str) -> str:
    if len(comment) > LONGEST_COMMENT:
        raise InvalidParameter(f"comment: at most {LONGEST_COMMENT} characters", details={"field": "comment"})
    return comment


def ensure_containers(session: Session, model: str) -> None:
    """Make the catalog and schema of a three-level name when they are missing and the caller may make them.

    Raises:
        PermissionDenied: the caller may not. AlreadyExists: one exists in another case.
    """
    above = Securable(SecurableType.SCHEMA, model.rpartition(".")[0])
    assert above.parent is not None
    for on in (above.parent, above):
        if not exists(session.connection, on):
            _create(session, on, "")


def update_comment(session: Session, on: Securable, comment: str) -> None:
    """Change the comment. Raises NotFound."""
    session.require(_UPDATE[on.type], on)
    before = _row(session.connection, on).comment
    values = {"comment": _checked_comment(comment), "updated_at": now_ms(), "updated_by": session.principal}
    session.connection.execute(update(_table(on)).where(_table(on).c.name == on.name).values(**values))
    session.changed("comment changed", on, before, comment)


def remove(session: Session, on: Securable, force: bool = False) -> None:
    """Delete a catalog or schema with its grants; *force* also takes schemas along that hold no models.

    Raises:
        Conflict: models lie in it, or it holds schemas and *force* is not set, or it is the default catalog.
    """
    session.require(_DELETE[on.type], on)
    _row(session.connection, on)
    if on.type is SecurableType.CATALOG and on.name == session.state.default_catalog:
        raise Conflict(f"catalog {on.name} is the default catalog; choose another one first")
    _refuse_full(session, on, force)
    held = select(tables.schemas.c.name)
    inside = [schema(each) for each in session.connection.execute(held).scalars() if on.contains(schema(each))]
    for each in (*(each for each in inside if each != on), on):
        _forget(session, each)
        session.changed(f"{each.type.value.lower()} deleted", each)


def _refuse_full(session: Session, on: Securable, force: bool) -> None:
    models = models_in(session.connection, on.name)
    if models:
        listed = ", ".join(models[:3]) + (" …" if len(models) > 3 else "")
        raise Conflict(
            f"{on} is not empty: {listed}; delete or move these models first", details={"models": models[:20]}
        )
    if on.type is SecurableType.CATALOG and not force:
        rows = session.connection.execute(select(tables.schemas.c.name)).scalars()
        schemas = [each for each in rows if on.contains(schema(each)) and not each.endswith(".default")]
        if schemas:
            raise Conflict(f"{on} is not empty: it holds {', '.join(schemas[:3])}; delete them, or force it")


def _forget(session: Session, on: Securable) -> None:
    table = _table(on)
    session.connection.execute(delete(table).where(table.c.name == on.name))
    for each in (tables.owners, tables.grants):
        session.connection.execute(delete(each).where(each.c.type == on.type.value, each.c.name == on.name))


def models_in(connection: Connection, container: str) -> list[str]:
    """Names of the models below a catalog or schema."""
    if not inspect(connection).has_table("registered_models"):
        return []
    start = f"{container}."
    found = connection.execute(
        text("SELECT name FROM registered_models WHERE substr(name, 1, :length) = :start ORDER BY name"),
        {"length": len(start), "start": start},
    )
    return [str(each) for each in found.scalars() if names.is_three_level(str(each))]
