"""Everybody at once is judged as each one alone, whatever is granted to whom."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_modelserve.controller.governance.decide import decide
from jupyter_modelserve.controller.governance.everybody import Everybody
from jupyter_modelserve.controller.governance.operations import RULES, Need, Operation
from jupyter_modelserve.controller.governance.scoring import Judge
from jupyter_modelserve.controller.governance.securables import (
    METASTORE,
    QUALIFIED,
    WORKSPACE,
    Right,
    Securable,
    catalog,
    model,
    schema,
)
from jupyter_modelserve.controller.governance.state import ALL_USERS, State
from jupyter_modelserve.governed import PrincipalKind, Privilege

pytestmark = pytest.mark.req("REQ-024", "REQ-059")
MODELS = ("iris", "a.s.m", "a.s.n", "a.t.m", "b.s.m")
OBJECTS: tuple[Securable, ...] = (
    *(METASTORE, WORKSPACE, catalog("a"), catalog("b"), schema("a.s"), schema("a.t"), schema("b.s")),
    *map(model, MODELS),
)
PEOPLE, GROUPS = ("ann", "bob", "cleo", "robot"), ("team", "crew")
NAMES = (*PEOPLE, *GROUPS, ALL_USERS, "gone")
HERE = {rule.any_of: operation for operation, rule in RULES.items() if rule.need is Need.HERE}.values()
"""One of all operations that the same rights are enough for."""
RIGHTS = st.sampled_from(list(Privilege)).flatmap(
    lambda each: st.sampled_from(["Champion", "Staging"] if each in QUALIFIED else [""]).map(
        lambda detail: Right(each, detail)
    )
)
GRANTS = st.dictionaries(
    st.sampled_from(OBJECTS), st.dictionaries(st.sampled_from(NAMES), st.frozensets(RIGHTS, max_size=3), max_size=5)
)
STATES = st.builds(
    State,
    principals=st.just(
        dict.fromkeys(PEOPLE[:3], PrincipalKind.USER)
        | {"robot": PrincipalKind.SERVICE_PRINCIPAL}
        | dict.fromkeys(GROUPS, PrincipalKind.GROUP)
    ),
    groups=st.dictionaries(st.sampled_from(PEOPLE), st.frozensets(st.sampled_from(GROUPS))),
    owners=st.dictionaries(st.sampled_from(OBJECTS), st.sampled_from(NAMES)),
    grants=GRANTS,
)


def one_by_one(state: State, operation: Operation, on: Securable) -> frozenset[str]:
    return frozenset(
        each for each in state.actors if not state.is_admin(each) and decide(state, each, operation, on).allowed
    )


@settings(max_examples=60, deadline=None)
@given(STATES)
def test_all_at_once_is_each_one_alone(state: State) -> None:
    everybody = Everybody(state)
    assert everybody.admins == {each for each in state.actors if state.is_admin(each)}
    for on in OBJECTS:
        for operation in HERE:
            assert everybody.allowed(operation, on) == one_by_one(state, operation, on), (operation, on)


@settings(max_examples=15, deadline=None)
@given(st.lists(STATES, min_size=2, max_size=4))
def test_what_was_judged_before_is_not_taken_for_another_state(states: list[State]) -> None:
    judge = Judge()
    for state in states:
        for models in (MODELS[:3], MODELS[1:]):
            found = judge.access(state, models)
            for name in models:
                scorers = one_by_one(state, Operation.MODEL_SCORE, model(name))
                seers = one_by_one(state, Operation.MODEL_VIEW, model(name)) - scorers
                assert (found.models[name], found.viewers.get(name, frozenset())) == (scorers, seers)
            assert set(found.models) == set(models)


def test_operations_that_are_not_about_the_object_are_refused() -> None:
    with pytest.raises(ValueError, match="not judged on the object"):
        Everybody(State()).allowed(Operation.MODEL_CREATE, model("iris"))
