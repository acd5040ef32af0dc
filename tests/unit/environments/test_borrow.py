"""When an interpreter may stand in for an environment, decided on fabricated inventories."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_modelserve.controller.environments.borrow import borrowed_key, needs_installer, unmet
from tests.unit.environments.factory import declared, inventory


@pytest.mark.parametrize(
    ("requirements", "installed", "reason"),
    [
        ("mlflow==3.17.2\nscikit-learn==1.9.1", ["scikit-learn==1.9.1"], None),
        ("mlflow==3.17.2\nscikit-learn==1.1.2", ["scikit-learn==1.9.1"], "scikit-learn 1.9.1 is installed"),
        ("mlflow\nlightgbm", [], "lightgbm is not installed"),
        ("mlflow\ntorch==2.13.0", ["torch==2.13.0+cpu"], None),
        ("mlflow\nnumpy>=2", ["numpy==2.1.0rc1"], None),
        ("mlflow\nPyYAML==6.0.3", ["pyyaml==6.0.3"], None),
        ("mlflow\nwin==1; sys_platform == 'win32'", [], None),
        ("mlflow\nlinux==1; sys_platform == 'linux'", [], "linux is not installed"),
        ("mlflow-skinny==3.17.2\npandas", ["mlflow=="], None),
        ("mlflow==3.17.2", ["mlflow=="], None),
        ("mlflow==3.17.2", ["mlflow==", "mlflow-skinny==3.16.0"], "mlflow is not installed"),
        ("mlflow==3.17.2", ["mlflow==", "pandas=="], "pandas is not installed"),
        ("mlflow==2.9.0", [], "mlflow 3.17.2 is installed"),
        ("mlflow[extras]==3.17.2", ["mlflow=="], "mlflow is not installed"),
        ("mlflow\nlib @ git+https://x.invalid/lib", ["lib==1.0"], "must be installed"),
        ("mlflow\ngit+https://x.invalid/lib", ["lib==1.0"], "must be installed"),
        ("--require-hashes\nmlflow==3.17.2 --hash=sha256:aa", [], "hashes"),
    ],
)
def test_decisions(tmp_path: Path, requirements: str, installed: list[str], reason: str | None) -> None:
    found = unmet(declared(tmp_path, requirements_txt=requirements), inventory(*installed))
    if reason is None:
        assert found is None
    else:
        assert found is not None
        assert reason in found


def test_minor_version_must_be_equal_and_patch_may_differ(tmp_path: Path) -> None:
    wanted = declared(tmp_path, requirements_txt="mlflow", python_env_yaml="python: 3.10.11\n")
    assert unmet(wanted, inventory(minor="3.10")) is None
    assert unmet(wanted, inventory(minor="3.11")) == "it is Python 3.11, and the model was logged with 3.10"


def test_extras_are_checked_by_their_own_requirements(tmp_path: Path) -> None:
    wanted = declared(tmp_path, requirements_txt="mlflow\nuvicorn[standard]==0.30")
    extras = {
        "uvicorn": ("uvloop>=0.19; extra == 'standard'", "colorama; sys_platform == 'win32' and extra == 'standard'")
    }
    assert unmet(wanted, inventory("uvicorn==0.30", extras=extras)) == "uvicorn[standard]: uvloop is not installed"
    assert unmet(wanted, inventory("uvicorn==0.30", "uvloop==0.20", extras=extras)) is None


def test_extras_that_name_each_other_end(tmp_path: Path) -> None:
    wanted = declared(tmp_path, requirements_txt="mlflow\na[all]")
    extras = {"a": ("a[one]; extra == 'all'", "a[all]; extra == 'one'")}
    assert unmet(wanted, inventory("a==1", extras=extras)) is None


def test_constraints_hold_for_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "limits.txt").write_text("numpy<2\nabsent<1\n")
    wanted = declared(tmp_path, requirements_txt="-c limits.txt\nmlflow")
    assert unmet(wanted, inventory("numpy==1.26.4")) is None
    assert unmet(wanted, inventory("numpy==2.4.6")) is not None


def test_looking_is_spared_when_an_installer_is_needed(tmp_path: Path) -> None:
    assert needs_installer(declared(tmp_path, requirements_txt="mlflow\nsix")) is None
    assert needs_installer(declared(tmp_path, requirements_txt="mlflow\ngit+https://x.invalid/lib")) is not None


def test_key_changes_when_anything_is_installed() -> None:
    assert borrowed_key(inventory("six==1")) == borrowed_key(inventory("six==1"))
    assert len({borrowed_key(each) for each in (inventory(), inventory("six==1"), inventory("six==2"))}) == 3
