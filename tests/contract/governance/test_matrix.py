"""``decide`` equals the written table, for every operation and every principal."""

from __future__ import annotations

import pytest

from jupyter_modelserve.controller.governance.decide import decide
from jupyter_modelserve.controller.governance.effective import describe
from jupyter_modelserve.controller.governance.operations import RULES, Operation
from jupyter_modelserve.controller.governance.securables import Securable
from tests.contract.governance import cast
from tests.contract.governance.table import ALLOWED, FRAUD, USERS

STATE = cast.state()


@pytest.mark.req("REQ-057", "REQ-059", "REQ-062", "REQ-072", "REQ-075", "REQ-080", "REQ-087", "REQ-088", "REQ-092")
@pytest.mark.req("REQ-022", "REQ-023", "REQ-024", "REQ-096", "REQ-099", "REQ-107")
@pytest.mark.parametrize(("operation", "on", "detail"), ALLOWED, ids=lambda each: str(each))
def test_decide_equals_the_written_table(operation: Operation, on: Securable, detail: str) -> None:
    allowed = {name for name in USERS if decide(STATE, name, operation, on, detail).allowed}
    assert allowed == ALLOWED[operation, on, detail]
    assert not decide(STATE, "nobody", operation, on, detail).allowed


def test_every_operation_has_a_rule_and_stands_in_the_table() -> None:
    assert set(RULES) == set(Operation)
    assert {operation for operation, _, _ in ALLOWED} == set(Operation)


def test_a_refusal_names_every_missing_right_and_who_can_grant_it() -> None:
    decision = decide(STATE, "stranger", Operation.VERSION_READ, FRAUD)
    assert [(each.any_of, each.securable_name) for each in decision.missing] == [
        (("USE_CATALOG",), "prod"),
        (("USE_SCHEMA",), "prod.ml"),
        (("EXECUTE",), "prod.ml.fraud"),
    ]
    assert decision.missing[2].grantors == ("fraud team", "mona", "nouse", "sam", "carol", "root")
    assert decision.missing[2].statement == "GRANT EXECUTE ON FUNCTION prod.ml.fraud TO stranger"


def test_what_is_missing_does_not_tell_whether_a_model_exists() -> None:
    there = decide(STATE, "half", Operation.MODEL_VIEW, FRAUD)
    gone = decide(STATE, "half", Operation.MODEL_VIEW, Securable(FRAUD.type, "prod.ml.missing"))
    assert [each.any_of for each in there.missing] == [each.any_of for each in gone.missing[:1]]


def test_effective_rights_say_where_they_come_from() -> None:
    rita = {each.privilege: (each.inherited_from_name, each.through) for each in describe(STATE, "rita", FRAUD)}
    assert rita == {"EXECUTE": ("prod.ml.fraud", "readers")}
    cleo = {each.privilege: (each.inherited_from_name, each.through) for each in describe(STATE, "cleo", FRAUD)}
    assert cleo == {"EXECUTE": ("prod", "")}
    tina = {each.privilege: each.through for each in describe(STATE, "tina", FRAUD)}
    assert set(tina.values()) == {"owner"}
    assert {"MANAGE", "EXECUTE", "CREATE_MODEL_VERSION"} <= set(tina)
