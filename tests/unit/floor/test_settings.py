"""Settings come from defaults, then the file, then the environment; a wrong one is named."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import Paths, Settings, write_private


def test_order(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("body_limit = 5\nhold = 3\n")
    loaded = Settings.load(tmp_path, {"MODELSERVE_HOLD": "4", "MODELSERVE_BORROW": "no"})
    assert (loaded.body_limit, loaded.hold, loaded.borrow, loaded.request_timeout) == (5, 4.0, False, 120.0)


@pytest.mark.req("REQ-014", "REQ-130")
def test_documented_limits_are_the_defaults(tmp_path: Path) -> None:
    loaded = Settings.load(tmp_path, {})
    assert (loaded.body_limit, loaded.request_timeout) == (16 * 1024 * 1024, 120.0)


@pytest.mark.parametrize(
    ("text", "environ", "named"),
    [
        ("bodylimit = 5", {}, "bodylimit"),
        ("body_limit = 'x'", {}, "body_limit"),
        ("= 3", {}, "TOML"),
        ("", {"MODELSERVE_HOLD": "soon"}, "MODELSERVE_HOLD"),
        ("", {"MODELSERVE_UNKNOWN_COLUMNS": "maybe"}, "unknown_columns"),
        ("batching = 'sometimes'", {}, "batching"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, environ: dict[str, str], named: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(InvalidParameter, match=named):
        Settings.load(tmp_path, environ)


def test_the_state_directory_is_one_variable(tmp_path: Path) -> None:
    assert Paths.default({"MODELSERVE_HOME": str(tmp_path)}).database == tmp_path / "registry.db"


def test_sockets_move_when_the_path_is_too_long(tmp_path: Path) -> None:
    deep = Paths(tmp_path / ("x" * 120))
    assert len(str(deep.gateway_socket)) < 100
    assert deep.run != deep.home / "run"
    assert Paths(Path("/s")).run == Path("/s/run")


def test_directories_are_private(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home")
    paths.create()
    assert stat.S_IMODE(paths.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(paths.run.stat().st_mode) == 0o700
    write_private(paths.token_file, "secret")
    assert stat.S_IMODE(paths.token_file.stat().st_mode) == 0o600
