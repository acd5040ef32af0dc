"""May this principal do this operation on this object? One pure function for every face, and its reasons."""

from __future__ import annotations

from collections.abc import Iterator

from jupyter_modelserve.controller.governance.effective import effective, holds
from jupyter_modelserve.controller.governance.operations import RULES, Need, Operation
from jupyter_modelserve.controller.governance.securables import (
    GRANTABLE,
    METASTORE,
    QUALIFIED,
    Right,
    Securable,
)
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.errors import PermissionDenied
from jupyter_modelserve.governed import Decision, MissingRight, Privilege, SecurableType

USES = {SecurableType.CATALOG: Privilege.USE_CATALOG, SecurableType.SCHEMA: Privilege.USE_SCHEMA}


def decide(state: State, principal: str, operation: Operation, on: Securable = METASTORE, detail: str = "") -> Decision:
    """Judge one operation.

    Args:
        principal: who asks; one that nobody knows may do nothing.
        on: the object, also one that does not exist yet or at all: what is missing must not tell whether it does.
        detail: the alias or stage that the operation is about.
    """
    missing = () if state.is_admin(principal) else tuple(_missing(state, principal, operation, on, detail))
    return Decision(not missing, principal, operation.value, on.type, on.name, missing)


def _missing(state: State, principal: str, operation: Operation, on: Securable, detail: str) -> Iterator[MissingRight]:
    rule = RULES[operation]
    if not state.identities(principal):
        yield MissingRight(("a known principal",), METASTORE.type, METASTORE.name, (state.owner(METASTORE),))
        return
    if rule.need is Need.KNOWN:
        return
    if rule.need is Need.ADMIN:
        yield MissingRight(("metastore admin",), METASTORE.type, METASTORE.name, (state.owner(METASTORE),))
        return
    where = on
    if rule.need is Need.ABOVE:
        assert on.parent is not None
        where = on.parent
    for above in reversed(where.line[1:]):
        yield from _use(state, principal, above)
    if rule.need is Need.ABOVE:
        yield from _use(state, principal, where)
    known = GRANTABLE[where.type]
    wanted = tuple(Right(each, detail if each in QUALIFIED else "") for each in rule.any_of if each in known)
    if not _holds_any(state, principal, where, wanted):
        yield _lacking(state, principal, where, wanted)


def _use(state: State, principal: str, container: Securable) -> Iterator[MissingRight]:
    needed = USES.get(container.type)
    if needed is not None and not holds(state, principal, container, Right(needed)):
        yield _lacking(state, principal, container, (Right(needed),))


def _holds_any(state: State, principal: str, on: Securable, wanted: tuple[Right, ...]) -> bool:
    """A wanted SET_ALIAS without a name is met by any: who may set one alias may see the model."""
    held = effective(state, principal, on)
    return any(
        each.covers(right) or (not right.detail and each.right.privilege is right.privilege)
        for each in held
        for right in wanted
    )


def _lacking(state: State, principal: str, on: Securable, wanted: tuple[Right, ...]) -> MissingRight:
    first = wanted[0] if wanted else None
    if first is None:
        return MissingRight(("metastore admin",), on.type, on.name, (state.owner(METASTORE),))
    shown = first if first.privilege not in QUALIFIED or first.detail else wanted[-1]
    statement = f"GRANT {_sql(shown)} ON {on.type.value} {quoted(on)} TO {quote(principal)}"
    return MissingRight(
        any_of=tuple(str(each) for each in wanted),
        securable_type=on.type,
        securable_name=on.name,
        grantors=grantors(state, on),
        statement=statement,
    )


def _sql(right: Right) -> str:
    return f"{right.privilege.value} {quote(right.detail)}" if right.detail else right.privilege.value


def quote(word: str) -> str:
    """*word* as the grant language reads it back."""
    if word and word.replace("_", "a").isalnum() and word.isascii() and not word[0].isdigit():
        return word
    return "`" + word.replace("`", "``") + "`"


def quoted(on: Securable) -> str:
    """The object's name as the grant language reads it back; the metastore has none there."""
    if on.type in {SecurableType.METASTORE, SecurableType.WORKSPACE}:
        return ""
    levels = on.name.split(".") if on.type is not SecurableType.FUNCTION or on.parent != _WORKSPACE else [on.name]
    return ".".join(quote(each) for each in levels)


_WORKSPACE = Securable(SecurableType.WORKSPACE, "workspace")


def grantors(state: State, on: Securable) -> tuple[str, ...]:
    """Who may grant rights on *on*, nearest first: owners, holders of MANAGE, the metastore admin."""
    found: dict[str, None] = {}
    manage = Right(Privilege.MANAGE)
    for origin in on.line:
        if origin in state.owners:
            found[state.owners[origin]] = None
        for name in sorted(state.grants.get(origin, {})):
            if manage in state.grants[origin][name]:
                found[name] = None
    found[state.owner(METASTORE)] = None
    return tuple(each for each in found if each)


def require(state: State, principal: str, operation: Operation, on: Securable = METASTORE, detail: str = "") -> None:
    """Let pass, or explain.

    Raises:
        PermissionDenied: names the right, the object and who can grant it.
    """
    decision = decide(state, principal, operation, on, detail)
    if not decision.allowed:
        raise denied(decision)


def denied(decision: Decision) -> PermissionDenied:
    """The error of a refusal; ``details`` holds the whole decision's reasons and a hint."""
    first = decision.missing[0]
    rights = " or ".join(first.any_of)
    what = f"{decision.securable_type.value} {decision.securable_name}"
    where = f"{first.securable_type.value} {first.securable_name}"
    who = " or ".join(first.grantors[:3])
    hint = f"{who} can grant it: {first.statement}" if first.statement else f"ask {who}"
    return PermissionDenied(
        f"{decision.principal} may not do {decision.operation} on {what}: {rights} on {where} is missing",
        details={
            "operation": decision.operation,
            "principal": decision.principal,
            "securable_type": decision.securable_type.value,
            "securable_name": decision.securable_name,
            "missing": [
                {
                    "any_of": list(each.any_of),
                    "securable_type": each.securable_type.value,
                    "securable_name": each.securable_name,
                    "grantors": list(each.grantors),
                    "statement": each.statement,
                }
                for each in decision.missing
            ],
            "hint": hint,
        },
    )


def explain(decision: Decision) -> str:
    """The decision for a person: one line per missing right."""
    what = f"{decision.operation} on {decision.securable_type.value} {decision.securable_name}"
    if decision.allowed:
        return f"{decision.principal} may do {what}"
    lines = [f"{decision.principal} may not do {what}; missing:"]
    for each in decision.missing:
        who = ", ".join(each.grantors)
        lines.append(f"- {' or '.join(each.any_of)} on {each.securable_type.value} {each.securable_name} (by {who})")
        if each.statement:
            lines.append(f"    {each.statement}")
    return "\n".join(lines)
