"""SCIM's words: resources, filters, pages and changes of members."""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_modelserve.controller.api.faces import scim_words as words
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Principal, PrincipalKind

ANA = Principal("ana@example.org", PrincipalKind.USER, "Ana", groups=("team",))
JOB = Principal("nightly job", PrincipalKind.SERVICE_PRINCIPAL, admin=True)
TEAM = Principal("team", PrincipalKind.GROUP, members=("ana@example.org",))
ALL = [words.resource(each) for each in (ANA, JOB, TEAM)]


def test_resources_have_numbers_that_never_change_and_name_each_other() -> None:
    ana, job, team = ALL
    assert ana["id"].isdigit()
    assert ana["id"] == words.resource(ANA)["id"] != job["id"]
    assert (ana["userName"], ana["displayName"], ana["emails"][0]["value"]) == (ANA.name, "Ana", ANA.name)
    assert [each["display"] for each in ana["groups"]] == ["team", "account users"]
    assert (job["applicationId"], job["displayName"]) == ("nightly job", "nightly job")
    assert "admins" in [each["display"] for each in job["groups"]]
    assert team["members"] == [{"value": ana["id"], "display": ANA.name}]


@pytest.mark.parametrize(("condition", "found"), [
    ("", 3),
    ('userName eq "ANA@example.org"', 1),
    ('displayName co "t"', 2),
    ('displayName sw "nightly"', 1),
    ('displayName ne "Ana"', 2),
    ('userName eq "nobody"', 0),
])  # fmt: skip
def test_one_comparison_is_understood(condition: str, found: int) -> None:
    assert words.page(ALL, {"filter": condition})["totalResults"] == found


def test_pages_begin_at_one() -> None:
    first = words.page(ALL, {"count": "2"})
    rest = words.page(ALL, {"count": "2", "startIndex": "3"})
    assert [*first["Resources"], *rest["Resources"]] == ALL
    assert (first["totalResults"], first["itemsPerPage"], rest["startIndex"], rest["itemsPerPage"]) == (3, 2, 3, 1)
    assert words.page(ALL, {"startIndex": "9"})["Resources"] == []


@pytest.mark.parametrize("values", [
    {"filter": 'userName eq "a" and active eq "true"'},
    {"filter": "userName pr"},
    {"filter": 'password eq "x"'},
    {"count": "-1"},
])  # fmt: skip
def test_what_is_not_understood_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        words.page(ALL, values)


@pytest.mark.parametrize(("operation", "change"), [
    ({"op": "add", "path": "members", "value": [{"value": "1"}]}, words.Members("add", ("1",))),
    ({"op": "add", "value": {"members": [{"value": "1"}, {"value": "2"}]}}, words.Members("add", ("1", "2"))),
    ({"op": "remove", "path": 'members[value eq "1"]'}, words.Members("remove", ("1",))),
    ({"op": "Replace", "path": "members", "value": []}, words.Members("replace", ())),
    ({"op": "remove", "path": "members"}, words.Members("remove", (), every=True)),
])  # fmt: skip
def test_changes_of_members(operation: dict[str, Any], change: words.Members) -> None:
    assert words.members({"Operations": [operation]}) == [change]


@pytest.mark.parametrize("body", [
    {},
    {"Operations": "members"},
    {"Operations": [{"op": "replace", "path": "displayName", "value": "x"}]},
    {"Operations": [{"op": "add", "path": "members", "value": ["1"]}]},
    {"Operations": [{"op": "add", "value": {"members": [], "roles": []}}]},
])  # fmt: skip
def test_nothing_else_of_a_group_changes(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        words.members(body)
