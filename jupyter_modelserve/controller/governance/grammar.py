"""The grant language: a small grammar with errors that name the place and what was expected.

::

    GRANT privilege [, privilege]… ON object TO principal [, principal]…
    REVOKE privilege [, privilege]… ON object FROM principal [, principal]…
    SHOW GRANTS [principal] ON object      SHOW GRANTS TO principal
    SHOW EFFECTIVE GRANTS [principal] ON object
    ALTER object [SET] OWNER TO principal

    object     METASTORE | WORKSPACE | CATALOG name | SCHEMA name.name | FUNCTION name[.name.name]   (MODEL = FUNCTION)
    privilege  EXECUTE | USE CATALOG | USE_CATALOG | … | ALL PRIVILEGES | SET ALIAS name | SET STAGE name
    name       letters, digits, _ and -, or anything in `backticks`; ; ends a statement, -- begins a comment

Pure: it gives statements as data. Words of the language are read in any case; names keep theirs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jupyter_modelserve.controller.governance import securables
from jupyter_modelserve.controller.governance.securables import Right, Securable
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Privilege, SecurableType

LONGEST: Final = 20_000


class Verb(StrEnum):
    """What a statement does."""

    GRANT = "GRANT"
    REVOKE = "REVOKE"
    SHOW = "SHOW GRANTS"
    SHOW_EFFECTIVE = "SHOW EFFECTIVE GRANTS"
    OWNER = "ALTER OWNER"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``on`` is ``None`` for ``SHOW GRANTS TO principal``."""

    verb: Verb
    on: Securable | None
    principals: tuple[str, ...] = ()
    rights: tuple[Right, ...] = ()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        """The word in capitals, when it can be one of the language."""
        return self.text.upper() if self.kind == "word" else ""


_TOKENS: Final = re.compile(
    r"(?P<space>\s+|--[^\n]*)|`(?P<quoted>(?:[^`]|``)*)`|(?P<word>[\w@-]+)|(?P<mark>[.,;()])", re.UNICODE
)
_PHRASES: Final = {tuple(each.value.split("_")): each for each in Privilege}
_NAMED: Final = {Privilege.SET_ALIAS: "an alias", Privilege.SET_STAGE: "a stage"}
_KINDS: Final = {**{each.value: each for each in SecurableType}, "MODEL": SecurableType.FUNCTION}


def parse(text: str) -> tuple[Statement, ...]:
    """Read one or more statements.

    Raises:
        InvalidParameter: names line and column, what was found and what was expected.
    """
    if len(text) > LONGEST:
        raise InvalidParameter(f"statement: at most {LONGEST} characters", details={"field": "statement"})
    return _Parser(text).all()


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise _error(text, at, "a name, a word of the language, or one of . , ; ( )", text[at])
        kind = match.lastgroup or ""
        if kind == "quoted":
            found.append(_Token(kind, match.group(kind).replace("``", "`"), at))
        elif kind != "space":
            found.append(_Token(kind, match.group(kind), at))
        at = match.end()
    return [*found, _Token("end", "", len(text))]


def _error(text: str, at: int, expected: str, found: str) -> InvalidParameter:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    seen = repr(found) if found else "the end"
    return InvalidParameter(
        f"line {line}, column {column}: expected {expected}, found {seen}",
        details={"field": "statement", "line": line, "column": column, "expected": expected},
    )


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += token.kind != "end"
        return token

    def _expected(self, what: str) -> InvalidParameter:
        return _error(self._text, self._next.start, what, self._next.text)

    def _accept(self, *words: str) -> str:
        if self._next.word in words or (self._next.kind == "mark" and self._next.text in words):
            return self._take().text.upper()
        return ""

    def _demand(self, *words: str) -> str:
        found = self._accept(*words)
        if not found:
            raise self._expected(" or ".join(words))
        return found

    def all(self) -> tuple[Statement, ...]:
        """Every statement up to the end."""
        found = []
        while self._next.kind != "end":
            if self._accept(";"):
                continue
            found.append(self._statement())
            if self._next.kind != "end":
                self._demand(";")
        if not found:
            raise self._expected("GRANT, REVOKE, SHOW or ALTER")
        return tuple(found)

    def _statement(self) -> Statement:
        match self._accept("GRANT", "REVOKE", "SHOW", "ALTER"):
            case "GRANT":
                return self._change(Verb.GRANT, "TO")
            case "REVOKE":
                return self._change(Verb.REVOKE, "FROM")
            case "SHOW":
                return self._show()
            case "ALTER":
                return self._alter()
        raise self._expected("GRANT, REVOKE, SHOW or ALTER")

    def _change(self, verb: Verb, word: str) -> Statement:
        rights = [self._privilege()]
        while self._accept(","):
            rights.append(self._privilege())
        self._demand("ON")
        on = self._object()
        self._demand(word)
        principals = [self._name("a principal")]
        while self._accept(","):
            principals.append(self._name("a principal"))
        return Statement(verb, on, tuple(principals), tuple(rights))

    def _show(self) -> Statement:
        verb = Verb.SHOW_EFFECTIVE if self._accept("EFFECTIVE") else Verb.SHOW
        self._demand("GRANTS", "GRANT")
        if verb is Verb.SHOW and self._accept("TO"):
            return Statement(verb, None, (self._name("a principal"),))
        principals = () if self._next.word == "ON" else (self._name("ON, TO or a principal"),)
        self._demand("ON")
        return Statement(verb, self._object(), principals)

    def _alter(self) -> Statement:
        on = self._object()
        self._accept("SET")
        self._demand("OWNER")
        self._demand("TO")
        return Statement(Verb.OWNER, on, (self._name("a principal"),))

    def _privilege(self) -> Right:
        for words, privilege in sorted(_PHRASES.items(), key=lambda each: -len(each[0])):
            if self._phrase(words) or self._phrase((privilege.value,)):
                return self._right(privilege)
        if self._phrase(("ALL",)):
            return Right(Privilege.ALL_PRIVILEGES)
        raise self._expected(f"a privilege ({', '.join(each.value.replace('_', ' ') for each in Privilege)})")

    def _right(self, privilege: Privilege) -> Right:
        if privilege not in _NAMED:
            return Right(privilege)
        bracket = self._accept("(")
        start = self._next.start
        name = self._name(_NAMED[privilege])
        if bracket:
            self._demand(")")
        try:
            return securables.checked_right(privilege, name)
        except InvalidParameter as error:
            raise _error(self._text, start, _NAMED[privilege], name) from error

    def _phrase(self, words: tuple[str, ...]) -> bool:
        ahead = self._tokens[self._at : self._at + len(words)]
        if tuple(each.word for each in ahead) != words:
            return False
        self._at += len(words)
        return True

    def _object(self) -> Securable:
        kind = _KINDS.get(self._next.word)
        if kind is None:
            raise self._expected(", ".join(_KINDS))
        self._take()
        start = self._next.start
        if kind in {SecurableType.METASTORE, SecurableType.WORKSPACE}:
            return securables.securable(kind.value, "")
        parts = [self._name(f"the name of a {kind.value}")]
        while self._accept("."):
            parts.append(self._name("the next part of the name"))
        try:
            return securables.securable(kind.value, ".".join(parts))
        except InvalidParameter as error:
            raise _error(self._text, start, f"the name of a {kind.value} ({error.message})", ".".join(parts)) from error

    def _name(self, what: str) -> str:
        if self._next.kind not in {"word", "quoted"} or not self._next.text:
            raise self._expected(what)
        return self._take().text
