"""Paths, hosts, tokens and header values: what passes the door."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.addresses import Rule
from jupyter_modelserve.errors import BadRequest, PermissionDenied, Unauthenticated
from jupyter_modelserve.gateway.auth import authenticate, authorize, read_token
from jupyter_modelserve.gateway.guard import decode_path
from jupyter_modelserve.gateway.request import header_value
from jupyter_modelserve.types import Scope, TokenGrant

TOKENS = {hashlib.sha256(b"ms_a").hexdigest(): TokenGrant("1", "ana", (Scope.ALL,), 2_000)}


@given(
    st.text(
        st.characters(blacklist_categories=("Cc", "Cs", "Cf", "Co", "Cn", "Zl", "Zp", "Zs")), min_size=1, max_size=30
    )
)
def test_a_percent_encoded_name_arrives_unchanged_or_is_refused(name: str) -> None:
    try:
        path = decode_path(f"/model/{quote(name, safe='')}/1/invocations".encode())
    except BadRequest:
        assert any(each in name for each in "/\\%") or name in {".", ".."} or not name.isprintable()
    else:
        assert path == f"/model/{name}/1/invocations"


@given(st.binary(max_size=40))
def test_no_bytes_pass_that_lead_out_of_a_folder(raw: bytes) -> None:
    try:
        path = decode_path(b"/" + raw)
    except BadRequest:
        return
    parts = path.split("/")
    assert ".." not in parts
    assert "." not in parts
    assert "" not in parts[1:-1]
    assert "\x00" not in path


@pytest.mark.req("REQ-019", "REQ-020", "REQ-178")
def test_three_spellings_of_one_token() -> None:
    basic = b"Basic " + base64.b64encode(b"token:ms_a")
    assert {read_token(each) for each in (b"Bearer ms_a", b"token ms_a", b"BEARER  ms_a ", basic)} == {b"ms_a"}


@pytest.mark.parametrize(
    "header", [None, b"", b"ms_a", b"Bearer ", b"Basic ms_a", b"Basic " + base64.b64encode(b"ms_a:")]
)
def test_other_spellings_are_refused(header: bytes | None) -> None:
    with pytest.raises(Unauthenticated):
        read_token(header)


def test_a_token_ends_in_the_moment_it_expires() -> None:
    assert authenticate(b"Bearer ms_a", TOKENS, now=1.999).principal == "ana"
    with pytest.raises(Unauthenticated, match="expired"):
        authenticate(b"Bearer ms_a", TOKENS, now=2.0)
    with pytest.raises(Unauthenticated, match="not known"):
        authenticate(b"Bearer ms_b", TOKENS, now=1.0)


@pytest.mark.parametrize("rule", [each for each in Rule if each is not Rule.OPEN])
def test_scopes_cover_what_they_say(rule: Rule) -> None:
    authorize(TokenGrant("1", "ana", (Scope.ALL,)), rule)
    for scopes in ((Scope.SCORE,), ()):
        if scopes and rule is Rule.SCORE:
            authorize(TokenGrant("1", "ana", scopes), rule)
        else:
            with pytest.raises(PermissionDenied):
                authorize(TokenGrant("1", "ana", scopes), rule)


@given(st.text(max_size=50).filter(lambda text: text.isprintable()))
def test_header_values_are_printable_ascii_and_reversible(text: str) -> None:
    value = header_value(text)
    assert value.decode("ascii").isprintable()
    if not text.isascii() and "%" not in text:
        assert unquote(value.decode()) == text


def test_header_values_cannot_start_a_new_header() -> None:
    assert header_value("a\r\nx: 1") == b"a%0D%0Ax: 1"
