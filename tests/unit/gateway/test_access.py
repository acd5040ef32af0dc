"""Who may score what, judged by the snapshot alone."""

from __future__ import annotations

import pytest

from jupyter_modelserve.controller.governance.operations import Operation
from jupyter_modelserve.controller.governance.scoring import Judge
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.errors import MethodNotAllowed, ModelServeError, NotFound, PermissionDenied
from jupyter_modelserve.gateway.auth import authorize_scoring, shows
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
from tests.contract.governance import cast
from tests.contract.governance.table import ADMIN, ALLOWED, CHURN, FRAUD, USERS

TABLE = RouteTable(
    1,
    models={"prod.ml.fraud": RouteModel({}), "churn": RouteModel({})},
    endpoints={
        "both": (RouteEntity("a", "prod.ml.fraud", "1", 50), RouteEntity("b", "churn", "1", 50)),
        "one": (RouteEntity("a", "churn", None, 100),),
    },
)
ACCESS = Access(
    frozenset({"root"}),
    {"prod.ml.fraud": frozenset({"rita"}), "churn": frozenset({"rita", "wanda"})},
    {"churn": frozenset({"tag"})},
)
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
    except (PermissionDenied, NotFound):
        return False
    return True


def _refusal(who: str, path: str) -> tuple[str, str, object]:
    with pytest.raises(ModelServeError) as caught:
        authorize_scoring(TokenGrant("t", who, ()), SNAPSHOT, path, "POST")
    return caught.value.error_code, caught.value.message, caught.value.details


@pytest.mark.req("REQ-024")
@pytest.mark.parametrize("path", PATHS)
def test_execute_on_every_model_that_may_answer(path: str) -> None:
    assert {who for who in ("root", "rita", "wanda", "tag", "eve") if _may(who, path)} == PATHS[path]


@pytest.mark.parametrize("path", ["/model/churn/1/invocations", "/serving-endpoints/both/invocations"])
def test_who_may_see_a_model_is_told_which_right_is_missing(path: str) -> None:
    code, message, _ = _refusal("tag", path)
    assert code == "PERMISSION_DENIED"
    assert "EXECUTE on FUNCTION" in message


@pytest.mark.parametrize(("there", "missing"), [
    ("/model/churn/1/invocations", "/model/other/1/invocations"),
    ("/model-endpoint/churn/Production/invocations", "/model-endpoint/other/Production/invocations"),
    ("/serving-endpoints/both/invocations", "/serving-endpoints/other/invocations"),
])  # fmt: skip
def test_what_is_not_there_is_not_told_apart_from_what_one_may_not_know(there: str, missing: str) -> None:
    told = [_refusal("eve", path) for path in (there, missing)]
    named = [str(each).replace("churn", "X").replace("both", "X").replace("other", "X") for each in told]
    assert named[0] == named[1]
    assert told[0][0] == "RESOURCE_DOES_NOT_EXIST"
    assert "EXECUTE" in told[0][1], "and yet it says what to ask for"
    assert _may("root", missing)


def test_metrics_are_those_of_models_that_one_may_see() -> None:
    seen = {
        who: {name for name in ("prod.ml.fraud", "churn") if shows(SNAPSHOT, TokenGrant("t", who, ()), name)}
        for who in ("root", "rita", "wanda", "tag", "eve")
    }
    both = {"prod.ml.fraud", "churn"}
    assert seen == {"root": both, "rita": both, "wanda": {"churn"}, "tag": {"churn"}, "eve": set()}
    assert shows(Snapshot("i", TABLE), TokenGrant("t", "eve", ()), "churn")


def test_the_snapshot_says_the_same_as_the_one_table() -> None:
    state = cast.state()
    judge = Judge()
    assert judge.access(state, [CHURN.name]).models.keys() == {CHURN.name}
    found = judge.access(state, [FRAUD.name, CHURN.name, "nothing"])
    assert judge.access(State(), [FRAUD.name]) == Access(models={FRAUD.name: frozenset()}), (
        "another state, other rights"
    )
    for on in (FRAUD, CHURN):
        scorers = set(ALLOWED[Operation.MODEL_SCORE, on, ""])
        assert {who for who in USERS if found.allows(who, on.name)} == scorers
        assert {who for who in USERS if found.shows(who, on.name)} == set(ALLOWED[Operation.MODEL_VIEW, on, ""])
        assert not found.viewers.get(on.name, frozenset()) & scorers
    assert {who for who in USERS if found.shows(who, "nothing")} == {ADMIN}


def test_the_method_is_looked_at_first() -> None:
    with pytest.raises(MethodNotAllowed):
        authorize_scoring(TokenGrant("t", "eve", ()), SNAPSHOT, "/model/churn/1/invocations", "GET")


def test_a_snapshot_from_before_there_were_others_lets_its_tokens_score() -> None:
    assert _may("eve", "/model/churn/1/invocations", Snapshot("i", TABLE))


def test_it_survives_the_way_to_the_gateway() -> None:
    assert from_json(Snapshot, to_json(SNAPSHOT)) == SNAPSHOT
