"""How an operation is declared: path, method and the rule that admits a caller.

Default deny by construction: the application refuses to start when a route of it has no rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from fastapi import FastAPI, Request
from starlette.routing import BaseRoute

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.errors import PermissionDenied, Unauthenticated
from jupyter_modelserve.types import Scope

RULE = "x-modelserve-rule"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the gateway found out."""

    principal: str
    scopes: frozenset[Scope]


def caller_of(request: Request) -> Caller:
    """The caller. Only the gateway can reach our socket, and it sets these headers itself.

    Raises:
        Unauthenticated: no principal was set.
    """
    principal = unquote(request.headers.get("x-modelserve-principal", ""))
    if not principal:
        raise Unauthenticated("a token is needed: send `Authorization: Bearer ms_…`")
    scopes = frozenset(Scope(each) for each in request.headers.get("x-modelserve-scopes", "").split(",") if each)
    return Caller(principal, scopes)


def admit(rule: Rule, caller: Caller) -> None:
    """Let *caller* pass or raise PermissionDenied, naming what is missing."""
    if Scope.ALL not in caller.scopes:
        raise PermissionDenied(f"this token may only score; the operation needs scope 'all' (rule {rule.value})")


Function: TypeAlias = Callable[..., Awaitable[Any]]


class Operations:
    """A group of operations under one prefix, every one with its rule."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._declared: list[tuple[str, Function, dict[str, Any]]] = []

    def operation(
        self, method: str, path: str, rule: Rule, *, status_code: int = 200
    ) -> Callable[[Function], Function]:
        """Declare an operation that answers *status_code* when it succeeds."""

        def declare(function: Function) -> Function:
            options = {"methods": [method], "status_code": status_code, "openapi_extra": {RULE: rule.value}}
            self._declared.append((self._prefix + path, function, options))
            return function

        return declare

    def install(self, app: FastAPI) -> None:
        """Add the operations to *app*."""
        for path, function, options in self._declared:
            app.add_api_route(path, function, **options)


def rule_of(route: BaseRoute) -> Rule | None:
    """The rule that a route declared."""
    extra = getattr(route, "openapi_extra", None) or {}
    return Rule(extra[RULE]) if RULE in extra else None


def check_rules(app: FastAPI) -> None:
    """Refuse to start when a route has no rule."""
    without = [getattr(route, "path", str(route)) for route in app.routes if rule_of(route) is None]
    if without:
        raise RuntimeError(f"operations without a rule: {', '.join(without)}")
