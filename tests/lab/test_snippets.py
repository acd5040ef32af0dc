"""Ready clients for the Query page: right, refusals, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.client.address import Address
from jupyter_modelserve.errors import InvalidParameter, NotRunning
from jupyter_modelserve.lab import snippets
from tests.lab.fakes import Fetch, RecordingAuthorizer

PATH = "/model/iris/2/invocations"
SECRET = "ms_secret"
GIVEN = {"language": "curl", "path": PATH, "reference": "iris/2", "body": '{"inputs": [1]}'}


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Address:
    found = Address("http://127.0.0.1:8585", SECRET, token_file=tmp_path / "token")
    monkeypatch.setattr(snippets, "find_running", lambda: found)
    return found


def post(fetch: Fetch, given: Any) -> Any:
    return fetch("lab/snippet", method="POST", body=json.dumps(given).encode())


@pytest.mark.parametrize(("language", "word"), [("curl", "curl -sS"), ("python", "urllib"), ("powerbi", "Table.Split")])
def test_each_language_names_the_address_and_not_the_token(
    fetch: Fetch, address: Address, language: str, word: str
) -> None:
    text = post(fetch, {**GIVEN, "language": language}).json["text"]
    assert word in text
    assert address.url + PATH in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("field", "value"), [("language", "cobol"), ("path", "/api/modelserve/v1/tokens"), ("body", 7), ("reference", None)]
)
def test_what_cannot_be_used_is_named(fetch: Fetch, address: Address, field: str, value: Any) -> None:
    answer = post(fetch, {**GIVEN, field: value})
    assert (answer.status, answer.json["error_code"]) == (400, InvalidParameter.error_code)
    assert answer.json["details"] == {"field": field}


def test_it_needs_the_right_to_read_and_an_instance(
    fetch: Fetch, authorizer: type[RecordingAuthorizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing() -> Address:
        raise NotRunning("no instance runs here")

    monkeypatch.setattr(snippets, "find_running", nothing)
    assert post(fetch, GIVEN).status == NotRunning.status
    assert authorizer.asked == [("read", "modelserve")]
    authorizer.refused = {"read"}
    assert post(fetch, GIVEN).status == 403
