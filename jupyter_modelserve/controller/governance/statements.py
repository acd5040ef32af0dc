"""Runs statements of the grant language, all or none of them, in one transaction."""

from __future__ import annotations

from jupyter_modelserve.controller.governance import grammar, grants
from jupyter_modelserve.controller.governance.grammar import Statement, Verb
from jupyter_modelserve.controller.governance.session import Session
from jupyter_modelserve.governed import Grant, GrantResult


def run(session: Session, text: str) -> tuple[GrantResult, ...]:
    """One result for each statement.

    Raises:
        InvalidParameter: it cannot be read, nothing has been done. Everything that :mod:`.grants` raises.
    """
    return tuple(_run(session, each) for each in grammar.parse(text))


def _run(session: Session, statement: Statement) -> GrantResult:
    on, rights = statement.on, ", ".join(str(each) for each in statement.rights)
    who = ", ".join(statement.principals)
    match statement.verb:
        case Verb.GRANT | Verb.REVOKE:
            assert on is not None
            change = grants.grant if statement.verb is Verb.GRANT else grants.revoke
            for principal in statement.principals:
                for right in statement.rights:
                    change(session, principal, right, on)
            words = ("granted", "to") if statement.verb is Verb.GRANT else ("revoked", "from")
            return GrantResult(f"{words[0]} {rights} on {on} {words[1]} {who}")
        case Verb.OWNER:
            assert on is not None
            grants.set_owner(session, on, who)
            return GrantResult(f"{on} belongs to {who}")
        case Verb.SHOW_EFFECTIVE:
            assert on is not None
            return GrantResult("", _effective(session, statement))
    if on is None:
        return GrantResult("", grants.of_principal(session, who))
    return GrantResult("", grants.listing(session, on, who))


def _effective(session: Session, statement: Statement) -> tuple[Grant, ...]:
    assert statement.on is not None
    found = grants.effective(session, statement.on, "".join(statement.principals))
    return tuple(
        Grant(each.principal, each.privilege, each.inherited_from_type, each.inherited_from_name, each.through)
        for each in found
    )
