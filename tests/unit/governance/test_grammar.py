"""The grant language: what it reads, and what it says about what it cannot read."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.controller.governance.decide import quote
from jupyter_modelserve.controller.governance.grammar import Statement, Verb, parse
from jupyter_modelserve.controller.governance.securables import (
    METASTORE,
    WORKSPACE,
    Right,
    Securable,
    catalog,
    model,
    schema,
)
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Privilege

P = Privilege


@pytest.mark.req("REQ-058", "REQ-085")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "GRANT EXECUTE ON FUNCTION a.b.c TO x",
            Statement(Verb.GRANT, model("a.b.c"), ("x",), (Right(P.EXECUTE),)),
        ),
        (
            "grant create_model, use schema on schema prod.ml to `data team`, bob;",
            Statement(
                Verb.GRANT, schema("prod.ml"), ("data team", "bob"), (Right(P.CREATE_MODEL), Right(P.USE_SCHEMA))
            ),
        ),
        (
            "GRANT CREATE MODEL VERSION ON MODEL `my model` TO bob",
            Statement(Verb.GRANT, model("my model"), ("bob",), (Right(P.CREATE_MODEL_VERSION),)),
        ),
        (
            "GRANT ALL ON CATALOG prod TO ann@example",
            Statement(Verb.GRANT, catalog("prod"), ("ann@example",), (Right(P.ALL_PRIVILEGES),)),
        ),
        (
            "GRANT SET ALIAS Champion ON FUNCTION a.b.c TO x",
            Statement(Verb.GRANT, model("a.b.c"), ("x",), (Right(P.SET_ALIAS, "Champion"),)),
        ),
        (
            "GRANT SET_STAGE(production) ON FUNCTION iris TO x",
            Statement(Verb.GRANT, model("iris"), ("x",), (Right(P.SET_STAGE, "Production"),)),
        ),
        (
            "REVOKE MANAGE ON FUNCTION a.b.c FROM x -- enough",
            Statement(Verb.REVOKE, model("a.b.c"), ("x",), (Right(P.MANAGE),)),
        ),
        ("SHOW GRANTS ON CATALOG main", Statement(Verb.SHOW, catalog("main"))),
        ("SHOW GRANTS bob ON SCHEMA a.b", Statement(Verb.SHOW, schema("a.b"), ("bob",))),
        ("SHOW GRANTS TO bob", Statement(Verb.SHOW, None, ("bob",))),
        ("SHOW EFFECTIVE GRANTS bob ON WORKSPACE", Statement(Verb.SHOW_EFFECTIVE, WORKSPACE, ("bob",))),
        ("ALTER FUNCTION a.b.c OWNER TO `a team`", Statement(Verb.OWNER, model("a.b.c"), ("a team",))),
        ("ALTER METASTORE SET OWNER TO root", Statement(Verb.OWNER, METASTORE, ("root",))),
    ],
)
def test_it_reads(text: str, expected: Statement) -> None:
    assert parse(text) == (expected,)


def test_several_statements_are_several() -> None:
    found = parse("GRANT EXECUTE ON FUNCTION m TO a;\n\n-- and\nREVOKE EXECUTE ON FUNCTION m FROM b;;")
    assert [each.verb for each in found] == [Verb.GRANT, Verb.REVOKE]


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", "line 1, column 1", "GRANT, REVOKE, SHOW or ALTER"),
        ("DROP TABLE x", "line 1, column 1", "GRANT, REVOKE, SHOW or ALTER, found 'DROP'"),
        ("GRANT SELECT ON SCHEMA a.b TO x", "line 1, column 7", "a privilege ("),
        ("GRANT EXECUTE\nON TABLE a.b TO x", "line 2, column 4", "CATALOG, SCHEMA, FUNCTION"),
        ("GRANT EXECUTE ON FUNCTION a.b.c FROM x", "line 1, column 33", "expected TO, found 'FROM'"),
        ("GRANT EXECUTE ON FUNCTION a.b.c TO", "line 1, column 35", "a principal, found the end"),
        ("GRANT EXECUTE ON SCHEMA a TO x", "line 1, column 25", "must be catalog.schema"),
        ("GRANT EXECUTE ON FUNCTION a. TO x", "line 1, column 33", "expected TO, found 'x'"),
        ("GRANT SET ALIAS ON FUNCTION a.b.c TO x", "line 1, column 20", "expected ON"),
        ("GRANT SET ALIAS 3 ON FUNCTION a.b.c TO x", "line 1, column 17", "an alias, found '3'"),
        ("GRANT EXECUTE ON FUNCTION a.b.c TO x'; DROP", "line 1, column 37", 'found "\'"'),
        ("SHOW GRANTS bob", "line 1, column 16", "expected ON"),
        ("GRANT EXECUTE ON FUNCTION a.b.c TO x GRANT", "line 1, column 38", "expected ;"),
    ],
)
def test_an_error_names_place_and_expectation(text: str, place: str, expected: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(text)
    assert place in caught.value.message
    assert expected in caught.value.message


@given(st.text(min_size=1, max_size=30).filter(lambda each: each.strip() and each.isprintable()))
def test_whatever_a_principal_is_called_its_quoted_name_is_read_back(name: str) -> None:
    assert parse(f"SHOW GRANTS TO {quote(name)}")[0].principals == (name,)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        parse(text)


@pytest.mark.parametrize("on", [catalog("main"), schema("a.b"), model("a.b.c"), model("one level")])
def test_parents(on: Securable) -> None:
    assert on.line[-1] == METASTORE
    assert METASTORE.contains(on)
