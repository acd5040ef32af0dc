"""Registering a folder from the panel: what it may reach, what is refused, and how a refusal travels."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.errors import DeadlineExceeded, InvalidParameter, NotFound
from jupyter_modelserve.lab import folders
from tests.lab.fakes import Fetch, RecordingAuthorizer

GIVEN = {"path": "models/iris", "name": "iris", "alias": "Champion", "description": "d"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "root"
    for folder in (found / "models" / "iris", found / "models" / "empty", tmp_path / "secret"):
        folder.mkdir(parents=True)
    (found / "models" / "iris" / "MLmodel").write_text("flavors: {}")
    (tmp_path / "secret" / "MLmodel").write_text("flavors: {}")
    (found / "link").symlink_to(tmp_path / "secret")
    return found


@pytest.mark.parametrize("path", ["models/iris", "/models/iris", " models/iris/ ", "models/iris/MLmodel"])
def test_a_folder_is_named_as_the_file_browser_shows_it(root: Path, path: str) -> None:
    assert folders.locate(root, path) == (root / "models" / "iris").resolve()


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("../secret", InvalidParameter, "outside"),
        ("link", InvalidParameter, "outside"),
        ("models/none", NotFound, "no folder"),
        ("models/empty", InvalidParameter, "no MLmodel file"),
    ],
)
def test_what_is_outside_or_no_model_is_refused(root: Path, path: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        folders.locate(root, path)


def post(fetch: Fetch, given: Any) -> Any:
    return fetch("lab/register", method="POST", body=json.dumps(given).encode())


def test_the_handler_hands_over_the_folder_and_the_answer(
    fetch: Fetch, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []

    async def register(given: dict[str, str]) -> dict[str, str]:
        seen.append(given)
        return {"name": given["name"], "version": "3"}

    monkeypatch.setattr(folders, "register", register)
    (jp_root_dir / "models" / "iris").mkdir(parents=True)
    (jp_root_dir / "models" / "iris" / "MLmodel").write_text("flavors: {}")
    answer = post(fetch, GIVEN)
    assert (answer.status, answer.json) == (200, {"name": "iris", "version": "3"})
    assert seen == [{**GIVEN, "path": str((jp_root_dir / "models" / "iris").resolve())}]
    assert post(fetch, {**GIVEN, "path": "models"}).status == InvalidParameter.status
    assert len(seen) == 1


@pytest.mark.parametrize(("field", "value"), [("path", ""), ("name", None), ("alias", 7)])
def test_what_cannot_be_used_is_named(fetch: Fetch, field: str, value: Any) -> None:
    answer = post(fetch, {**GIVEN, field: value})
    assert (answer.status, answer.json["details"]) == (400, {"field": field})


def test_it_needs_the_right_to_execute(fetch: Fetch, authorizer: type[RecordingAuthorizer]) -> None:
    authorizer.refused = {"execute"}
    assert post(fetch, GIVEN).status == 403


def test_a_refusal_of_the_registration_comes_out_as_it_was() -> None:
    with pytest.raises(InvalidParameter, match="wrong/name") as caught:
        asyncio.run(folders.register({**GIVEN, "name": "wrong/name"}))
    assert caught.value.status == InvalidParameter.status


def test_a_registration_that_hangs_is_ended() -> None:
    with pytest.raises(DeadlineExceeded):
        asyncio.run(folders.register(GIVEN, seconds=0.01))
