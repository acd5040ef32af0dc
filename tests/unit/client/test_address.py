"""The order in which an instance is found, and that a token never goes where it does not belong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_modelserve import launcher
from jupyter_modelserve.client.address import Address, check_url, locate, read_token
from jupyter_modelserve.errors import InvalidParameter, NotRunning, Unauthenticated
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Instance

LOCAL = Instance("id", 8123, "nonce")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "token").write_text("ms_local\n")
    return Paths(tmp_path)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked: list[str] = []

    def answer(name: str) -> Callable[[Paths], Instance]:
        def found(paths: Paths) -> Instance:
            asked.append(name)
            return LOCAL

        return found

    monkeypatch.setattr(launcher, "find", answer("find"))
    monkeypatch.setattr(launcher, "ensure", answer("ensure"))
    return asked


def test_arguments_come_first(paths: Paths) -> None:
    environ = {"MODELSERVE_URL": "http://elsewhere:1", "MODELSERVE_TOKEN": "ms_env"}
    assert locate("http://here:2/", "ms_arg", paths=paths, environ=environ) == Address("http://here:2", "ms_arg")


def test_environment_comes_before_the_local_instance(paths: Paths, running: list[str]) -> None:
    environ = {"MODELSERVE_URL": "http://elsewhere:1", "MODELSERVE_TOKEN": "ms_env"}
    assert locate(paths=paths, environ=environ).token == "ms_env"
    assert running == []


def test_environment_may_name_a_token_file(paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "other"
    file.write_text("ms_file\n")
    found = locate(paths=paths, environ={"MODELSERVE_URL": "http://elsewhere:1", "MODELSERVE_TOKEN_FILE": str(file)})
    assert (found.token, found.token_file) == ("ms_file", file)


@pytest.mark.parametrize(("start", "asked"), [(True, ["find"]), (False, ["find"])])
def test_local_instance(paths: Paths, running: list[str], start: bool, asked: list[str]) -> None:
    found = locate(start=start, paths=paths, environ={})
    assert (found.url, found.token, found.local) == (LOCAL.url, "ms_local", True)
    assert running == asked


def test_nothing_runs(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "find", lambda paths: None)
    with pytest.raises(NotRunning, match="jupyter modelserve up"):
        locate(start=False, paths=paths, environ={})


def test_local_token_stays_here(paths: Paths, running: list[str]) -> None:
    with pytest.raises(Unauthenticated):
        locate(paths=paths, environ={"MODELSERVE_URL": "http://elsewhere:1"})


def test_token_of_the_environment_is_not_sent_to_another_address(paths: Paths, running: list[str]) -> None:
    environ = {"MODELSERVE_URL": "http://elsewhere:1", "MODELSERVE_TOKEN": "ms_env"}
    with pytest.raises(Unauthenticated):
        locate("http://third:3", paths=paths, environ=environ)


def test_local_address_by_name_uses_the_local_token(paths: Paths, running: list[str]) -> None:
    assert locate("http://localhost:8123", paths=paths, environ={}).token == "ms_local"


def test_repr_hides_the_token() -> None:
    assert "ms_" not in repr(Address("http://here:2", "ms_secret"))


@pytest.mark.parametrize("url", ["ftp://x", "here:80", "http://user:secret@x", "http://x?token=1", ""])
def test_bad_addresses(url: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def test_missing_and_empty_token_files(tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated, match="cannot be read"):
        read_token(tmp_path / "none")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Unauthenticated, match="empty"):
        read_token(tmp_path / "empty")
