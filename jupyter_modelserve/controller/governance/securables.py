"""Objects that rights are granted on, and which rights each kind of object knows. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jupyter_modelserve import names
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Privilege, SecurableType

P, T = Privilege, SecurableType
ON_MODELS: Final = frozenset({P.CREATE_MODEL_VERSION, P.EXECUTE, P.APPLY_TAG, P.SET_ALIAS, P.MANAGE})
CONTAINER: Final = frozenset({P.CREATE_CATALOG, P.USE_CATALOG, P.USE_SCHEMA, P.CREATE_SCHEMA, P.CREATE_MODEL})
"""Rights that the owner of a container holds in it; what lies inside may belong to others."""
QUALIFIED: Final = frozenset({P.SET_ALIAS, P.SET_STAGE})
"""Rights that name one alias or one stage."""
GRANTABLE: Final = {
    T.METASTORE: frozenset({P.CREATE_CATALOG}),
    T.WORKSPACE: ON_MODELS | {P.SET_STAGE, P.CREATE_MODEL},
    T.CATALOG: ON_MODELS | {P.USE_CATALOG, P.USE_SCHEMA, P.CREATE_SCHEMA, P.CREATE_MODEL},
    T.SCHEMA: ON_MODELS | {P.USE_SCHEMA, P.CREATE_MODEL},
    T.FUNCTION: ON_MODELS | {P.SET_STAGE},
}
"""What may be granted on what; ALL_PRIVILEGES besides, which means all of these but MANAGE."""
WORKSPACE_NAME: Final = "workspace"
METASTORE_NAME: Final = "metastore"


@dataclass(frozen=True, slots=True)
class Securable:
    """An object by type and full name."""

    type: SecurableType
    name: str

    def __str__(self) -> str:
        return f"{self.type.value} {self.name}"

    @property
    def parent(self) -> Securable | None:
        """What it inherits from: model → schema → catalog → metastore; one-level model → workspace → metastore."""
        match self.type:
            case SecurableType.METASTORE:
                return None
            case SecurableType.CATALOG | SecurableType.WORKSPACE:
                return METASTORE
            case SecurableType.SCHEMA:
                return Securable(T.CATALOG, self.name.partition(".")[0])
        if names.is_three_level(self.name):
            return Securable(T.SCHEMA, self.name.rpartition(".")[0])
        return WORKSPACE

    @property
    def line(self) -> tuple[Securable, ...]:
        """The object itself and everything above it."""
        return tuple(self._upwards())

    def _upwards(self) -> Iterator[Securable]:
        found: Securable | None = self
        while found is not None:
            yield found
            found = found.parent

    def contains(self, other: Securable) -> bool:
        """Whether *other* is this object or lies in it."""
        return self in other.line


METASTORE: Final = Securable(T.METASTORE, METASTORE_NAME)
WORKSPACE: Final = Securable(T.WORKSPACE, WORKSPACE_NAME)


def model(name: str) -> Securable:
    """A registered model."""
    return Securable(T.FUNCTION, name)


def catalog(name: str) -> Securable:
    """A catalog."""
    return Securable(T.CATALOG, name)


def schema(name: str) -> Securable:
    """A schema, by ``catalog.schema``."""
    return Securable(T.SCHEMA, name)


_LEVELS: Final = {T.CATALOG: 1, T.SCHEMA: 2}
_OTHER_NAMES: Final = {"MODEL": T.FUNCTION, "REGISTERED_MODEL": T.FUNCTION, "DATABASE": T.SCHEMA}


def securable(kind: str, name: str) -> Securable:
    """An object from what a caller wrote, in any case; MODEL means FUNCTION.

    Raises:
        InvalidParameter: no such type, or a name of another form.
    """
    written = kind.upper().replace(" ", "_")
    found = _OTHER_NAMES.get(written) or next((each for each in T if each.value == written), None)
    if found is None:
        known = ", ".join(T)
        raise InvalidParameter(
            f"securable type {kind[:40]!r} is not known; it is one of {known}", details=_field("type")
        )
    if found is T.METASTORE:
        return METASTORE
    if found is T.WORKSPACE:
        return WORKSPACE
    if found is T.FUNCTION:
        return model(names.check_model(name))
    names.check_container(name, _LEVELS[found])
    return Securable(found, name)


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """A privilege; ``detail`` is the alias or stage that SET_ALIAS and SET_STAGE name."""

    privilege: Privilege
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.privilege.value}({self.detail})" if self.detail else self.privilege.value


def right(text: str) -> Right:
    """Read ``EXECUTE``, ``use catalog`` or ``SET_ALIAS(Champion)``.

    Raises:
        InvalidParameter: there is no such privilege, or its alias or stage is missing or not wanted.
    """
    word, bracket, rest = text.strip().partition("(")
    written = "_".join(word.upper().split())
    found = next((each for each in P if each.value == written), None)
    if found is None or (bracket and not rest.endswith(")")):
        known = ", ".join(P)
        raise InvalidParameter(
            f"privilege {text[:60]!r} is not known; it is one of {known}", details=_field("privilege")
        )
    return checked_right(found, rest[:-1].strip() if bracket else "")


def checked_right(privilege: Privilege, detail: str) -> Right:
    """A right whose detail fits its privilege.

    Raises:
        InvalidParameter: SET_ALIAS or SET_STAGE without a name, or a name with another privilege.
    """
    if bool(detail) != (privilege in QUALIFIED):
        what = "names one alias or stage: SET_ALIAS(Champion)" if not detail else "takes no name in brackets"
        raise InvalidParameter(f"{privilege.value} {what}", details=_field("privilege"))
    if privilege is P.SET_STAGE:
        stage = names.canonical_stage(detail)
        if stage is None:
            known = ", ".join(names.STAGES)
            raise InvalidParameter(f"{detail[:40]!r} is no stage; use one of {known}", details=_field("privilege"))
        detail = stage
    elif privilege is P.SET_ALIAS:
        names.check_alias("a.b.c", detail)
    return Right(privilege, detail)


def check_grantable(found: Right, on: Securable) -> None:
    """Refuse a right that means nothing on this kind of object.

    Raises:
        InvalidParameter: names the rights that can be granted there.
    """
    known = GRANTABLE[on.type] | ({P.ALL_PRIVILEGES} if on.type is not T.METASTORE else frozenset())
    if found.privilege in known and not (
        found.privilege is P.SET_STAGE and on.type is T.FUNCTION and names.is_three_level(on.name)
    ):
        return
    listed = ", ".join(sorted(each.value for each in known))
    raise InvalidParameter(
        f"{found} cannot be granted on {on.type.value} {on.name}; what can: {listed}", details=_field("privilege")
    )


def _field(name: str) -> dict[str, str]:
    return {"field": name}
