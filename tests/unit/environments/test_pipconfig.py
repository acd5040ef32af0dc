"""The user's pip configuration holds in builds by uv."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jupyter_modelserve.controller.environments.pipconfig import build_environ, pip_options
from jupyter_modelserve.controller.environments.redaction import redact
from jupyter_modelserve.settings import Settings
from tests.unit.environments.factory import declared


def built(
    tmp_path: Path, environ: dict[str, str], *, config: str = "", requirements: str = "mlflow", **settings: object
) -> dict[str, str]:
    file = tmp_path / "pip.conf"
    file.write_text(config)
    wanted = declared(tmp_path / "model", requirements_txt=requirements)
    return build_environ(Settings(**settings), wanted, {"HOME": str(tmp_path), **environ}, (file,))  # type: ignore[arg-type]


@pytest.mark.req("REQ-143")
def test_files_are_translated(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    config = (
        "[global]\nindex-url = https://user:secret@mirror.invalid/simple\n"
        f"extra-index-url =\n    https://two.invalid/simple\n    file://{tmp_path}/missing\n"
        f"find_links = {tmp_path}/wheels {tmp_path}/missing\ncert = /ca.pem\n"
        "trusted-host = mirror.invalid two.invalid\n"
        "timeout = 15.5\nproxy = http://proxy.invalid:3128\n[install]\nno-index = true\npre = yes\n"
    )
    found = built(tmp_path, {}, config=config)
    assert found["UV_INDEX_URL"] == "https://user:secret@mirror.invalid/simple"
    assert found["UV_EXTRA_INDEX_URL"] == "https://two.invalid/simple"
    assert found["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert found["UV_FIND_LINKS"] == f"{tmp_path}/wheels"
    assert found["SSL_CERT_FILE"] == "/ca.pem"
    assert found["UV_INSECURE_HOST"] == "mirror.invalid two.invalid"
    assert found["UV_HTTP_TIMEOUT"] == "15"
    assert found["ALL_PROXY"] == "http://proxy.invalid:3128"
    assert found["UV_NO_INDEX"] == "1"
    assert found["UV_PRERELEASE"] == "allow"


def test_order_is_model_then_uv_then_pip_variables_then_files(tmp_path: Path) -> None:
    config = "[global]\nindex-url = https://file.invalid\n"
    assert built(tmp_path, {}, config=config)["UV_INDEX_URL"] == "https://file.invalid"
    environ = {"PIP_INDEX_URL": "https://variable.invalid"}
    assert built(tmp_path, environ, config=config)["UV_INDEX_URL"] == "https://variable.invalid"
    environ["UV_DEFAULT_INDEX"] = "https://uv.invalid"
    found = built(tmp_path, environ, config=config)
    assert "UV_INDEX_URL" not in found
    found = built(tmp_path, environ, config=config, requirements="-i https://model.invalid\nmlflow")
    assert found["UV_INDEX_URL"] == "https://model.invalid"
    assert "UV_DEFAULT_INDEX" not in found


@pytest.mark.req("REQ-143")
def test_offline_and_find_links_settings(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    found = built(tmp_path, {}, offline=True, find_links=str(tmp_path / "house"))
    assert found["UV_OFFLINE"] == "1"
    assert found["UV_FIND_LINKS"] == str(tmp_path / "house")
    assert "UV_OFFLINE" not in built(tmp_path, {})


def test_secrets_stay_out_unless_a_requirement_names_them(tmp_path: Path) -> None:
    environ = {
        "INDEX_TOKEN": "t1", "OTHER_TOKEN": "t2", "MLFLOW_TRACKING_TOKEN": "t3", "MODELSERVE_HOME": "t4",
        "UV_INDEX_HOUSE_PASSWORD": "kept", "PYTHONPATH": "x", "VIRTUAL_ENV": "x", "UV_SYSTEM_PYTHON": "1",
    }  # fmt: skip
    lines = (
        "--extra-index-url https://a:${INDEX_TOKEN}@two.invalid\n--extra-index-url https://a:${MLFLOW_TRACKING_TOKEN}@three.invalid\n"
        "lib @ git+https://${INDEX_TOKEN}@git.invalid/lib\nmlflow\nlib2 @ git+https://${MLFLOW_TRACKING_TOKEN}@x.invalid/lib\n"
    )
    found = built(tmp_path, environ, requirements=lines)
    assert found["UV_EXTRA_INDEX_URL"] == "https://a:t1@two.invalid https://a:${MLFLOW_TRACKING_TOKEN}@three.invalid"
    assert found["INDEX_TOKEN"] == "t1"
    assert found["UV_INDEX_HOUSE_PASSWORD"] == "kept"
    assert not found.keys() & {
        "OTHER_TOKEN", "MLFLOW_TRACKING_TOKEN", "MODELSERVE_HOME", "PYTHONPATH", "VIRTUAL_ENV", "UV_SYSTEM_PYTHON",
    }  # fmt: skip


def test_configuration_of_the_model_directory_has_no_say(tmp_path: Path) -> None:
    assert built(tmp_path, {})["UV_NO_CONFIG"] == "1"
    user = tmp_path / "config" / "uv" / "uv.toml"
    user.parent.mkdir(parents=True)
    user.write_text("")
    found = built(tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert found["UV_CONFIG_FILE"] == str(user)
    assert "UV_NO_CONFIG" not in found


def test_pip_looks_where_pip_looks(tmp_path: Path) -> None:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text("[global]\nindex-url = https://user.invalid\n")
    chosen = tmp_path / "chosen.conf"
    chosen.write_text("[global]\nindex-url = https://chosen.invalid\n")
    home = {"HOME": str(tmp_path)}
    assert pip_options(home)["index-url"] == "https://user.invalid"
    assert pip_options({**home, "PIP_CONFIG_FILE": str(chosen)})["index-url"] == "https://chosen.invalid"
    assert pip_options({**home, "PIP_CONFIG_FILE": os.devnull}) == {}
    chosen.write_text("not an ini file")
    assert "index-url" not in pip_options({**home, "PIP_CONFIG_FILE": str(chosen)})


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://user:secret@x.invalid/simple", "https://****@x.invalid/simple"),
        ("git+https://token@x.invalid/a.git", "git+https://****@x.invalid/a.git"),
        ("at https://x.invalid/a?sig=abc&b=1 failed", "at https://x.invalid/a?sig=****&b=1 failed"),
        ("lib @ file:///a/b", "lib @ file:///a/b"),
        ("https://x.invalid/a@v1", "https://x.invalid/a@v1"),
    ],
)
def test_redaction(text: str, clean: str) -> None:
    assert redact(text) == clean
