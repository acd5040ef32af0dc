"""How an operation is declared: path, method and the rule that admits a caller.

Default deny by construction: the application refuses to start when a route of it has no rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from fastapi import Depends, FastAPI, Request
from starlette.routing import BaseRoute

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.controller.api.rules import OPERATION, Judged, judge, operation_of
from jupyter_modelserve.errors import PermissionDenied, Unauthenticated
from jupyter_modelserve.types import Scope

RULE = "x-modelserve-rule"
LONGEST_NAME = 256
"""What ``created_by`` holds."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as the gateway found out. Rights are those of ``principal`` and its token.

    ``on_behalf_of``: whom Jupyter says that the local user's token speaks for; empty when it says nothing.
    """

    principal: str
    scopes: frozenset[Scope]
    on_behalf_of: str = ""

    @property
    def name(self) -> str:
        """Who is named in what is written down."""
        return self.on_behalf_of or self.principal


def caller_of(request: Request) -> Caller:
    """The caller. Only the gateway can reach our socket, and it sets these headers itself.

    Raises:
        Unauthenticated: no principal was set.
    """
    principal = unquote(request.headers.get("x-modelserve-principal", ""))
    if not principal:
        raise Unauthenticated("a token is needed: send `Authorization: Bearer ms_…`")
    scopes = frozenset(Scope(each) for each in request.headers.get("x-modelserve-scopes", "").split(",") if each)
    return Caller(principal, scopes, unquote(request.headers.get("x-modelserve-on-behalf-of", ""))[:LONGEST_NAME])


def admit(rule: Rule, caller: Caller) -> None:
    """Let *caller* pass or raise PermissionDenied, naming what is missing."""
    if Scope.ALL not in caller.scopes:
        raise PermissionDenied(f"this token may only score; the operation needs scope 'all' (rule {rule.value})")


def _judgement(rule: Rule, judged: Judged) -> Callable[[Request], Awaitable[None]]:
    """What runs before the handler: the token's scope, then the rights."""

    async def check(request: Request) -> None:
        admit(rule, caller_of(request))
        await judge(request, judged)

    return check


Function: TypeAlias = Callable[..., Awaitable[Any]]


class Operations:
    """A group of operations under one prefix, every one with its rule; *listed* in our OpenAPI document or not."""

    def __init__(self, prefix: str, *, listed: bool = True) -> None:
        self._prefix = prefix
        self._listed = listed
        self._declared: list[tuple[str, Function, dict[str, Any]]] = []

    def operation(
        self, method: str, path: str, rule: Rule, *, status_code: int = 200
    ) -> Callable[[Function], Function]:
        """Declare an operation that answers *status_code* when it succeeds."""

        def declare(function: Function) -> Function:
            extra = {RULE: rule.value}
            options: dict[str, Any] = {"methods": [method], "status_code": status_code, "openapi_extra": extra}
            options["include_in_schema"] = self._listed
            judged = operation_of(method, self._prefix + path)
            if judged is not None:
                extra[OPERATION] = judged.operation.value
                options["dependencies"] = [Depends(_judgement(rule, judged))]
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
