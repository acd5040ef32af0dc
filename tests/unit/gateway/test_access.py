"""Who may score what, judged by the snapshot alone."""

from __future__ import annotations

import pytest

from jupyter_modelserve.errors import MethodNotAllowed, NotFound, PermissionDenied
from jupyter_modelserve.gateway.auth import authorize_scoring
from jupyter_modelserve.governed import Access
from jupyter_modelserve.types import (
    RouteEntity,
    RouteModel,
    RouteTable,
    Scope,
    Snapshot,
    TokenGrant,
    from_json,
    to_json,
)

TABLE = RouteTable(
    1,
    models={"prod.ml.fraud": RouteModel({}), "churn": RouteModel({})},
    endpoints={
        "both": (RouteEntity("a", "prod.ml.fraud", "1", 50), RouteEntity("b", "churn", "1", 50)),
        "one": (RouteEntity("a", "churn", None, 100),),
    },
)
ACCESS = Access(frozenset({"root"}), {"prod.ml.fraud": frozenset({"rita"}), "churn": frozenset({"rita", "wanda"})})
SNAPSHOT = Snapshot("i", TABLE, {}, ACCESS)
PATHS = {
    "/model/prod.ml.fraud/1/invocations": {"root", "rita"},
    "/model/churn/Production/invocations": {"root", "rita", "wanda"},
    "/model-endpoint/churn/Production/invocations": {"root", "rita", "wanda"},
    "/serving-endpoints/both/invocations": {"root", "rita"},
    "/serving-endpoints/one/invocations": {"root", "rita", "wanda"},
}


def _may(who: str, path: str, snapshot: Snapshot = SNAPSHOT) -> bool:
    try:
        authorize_scoring(TokenGrant("t", who, (Scope.ALL,)), snapshot, path, "POST")
    except PermissionDenied:
        return False
    return True


@pytest.mark.req("REQ-024")
@pytest.mark.parametrize("path", PATHS)
def test_execute_on_every_model_that_may_answer(path: str) -> None:
    assert {who for who in ("root", "rita", "wanda", "eve") if _may(who, path)} == PATHS[path]


def test_a_refusal_names_right_and_model() -> None:
    with pytest.raises(PermissionDenied, match="EXECUTE on FUNCTION churn"):
        authorize_scoring(TokenGrant("t", "eve", ()), SNAPSHOT, "/model/churn/1/invocations", "POST")


@pytest.mark.parametrize("path", ["/model/other/1/invocations", "/serving-endpoints/other/invocations"])
def test_what_is_not_there_is_not_told_apart_from_what_one_may_not_know(path: str) -> None:
    with pytest.raises(NotFound) as caught:
        _may("eve", path)
    assert "churn" not in caught.value.message
    assert _may("root", path)


def test_the_method_is_looked_at_first() -> None:
    with pytest.raises(MethodNotAllowed):
        authorize_scoring(TokenGrant("t", "eve", ()), SNAPSHOT, "/model/churn/1/invocations", "GET")


def test_a_snapshot_from_before_there_were_others_lets_its_tokens_score() -> None:
    assert _may("eve", "/model/churn/1/invocations", Snapshot("i", TABLE))


def test_it_survives_the_way_to_the_gateway() -> None:
    assert from_json(Snapshot, to_json(SNAPSHOT)) == SNAPSHOT
