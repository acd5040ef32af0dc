"""What a model's files declare, and what cannot be honoured."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from jupyter_modelserve.controller.environments import EnvironmentFailed
from jupyter_modelserve.controller.environments.declared import Declared, content_key
from jupyter_modelserve.types import Cause, Failure
from tests.unit.environments.factory import MLMODEL, declared, model, wheel

OLD_MLMODEL = """\
flavors:
  python_function:
    env: conda.yaml
    loader_module: mlflow.sklearn
    python_version: 3.8.8
"""
DEFAULTS_SAMPLE = """\
channels:
- defaults
dependencies:
- python=3.8.8
- pip
- pip:
    - mlflow
    - scikit-learn==0.23.2
    - cloudpickle==1.6.0
name: mlflow-env
"""
SAMPLE_003 = """\
channels:
- conda-forge
dependencies:
- python=3.10.11
- pip<=23.1.2
- pip:
  - mlflow==2.7.1
  - cloudpickle==1.6.0
  - dataclasses==0.6
  - lz4==4.0.0
  - numpy==1.23.5
  - packaging==23.0
  - psutil==5.9.0
  - pyyaml==6.0
  - scikit-learn==1.1.2
  - scipy==1.10.1
  - uuid==1.30
name: mlflow-env
"""


def texts(found: Declared) -> list[str]:
    return [each.text for each in found.entries]


def failure(directory: Path, **files: str) -> Failure:
    with pytest.raises(EnvironmentFailed) as caught:
        declared(directory, **files)
    return caught.value.failure


@pytest.mark.req("REQ-052", "REQ-053", "REQ-139")
def test_defaults_channel_of_seed_000_is_warned_of(tmp_path: Path) -> None:
    found = declared(tmp_path, MLmodel=OLD_MLMODEL, conda_yaml=DEFAULTS_SAMPLE)
    assert texts(found) == ["mlflow", "scikit-learn==0.23.2", "cloudpickle==1.6.0"]
    assert (found.python, found.minor) == ("3.8.8", "3.8")
    (warning,) = found.warnings
    assert "defaults" in warning
    assert "conda_env" in warning


@pytest.mark.parametrize("channel", ["https://repo.anaconda.com/pkgs/main", "anaconda", "pkgs/r"])
@pytest.mark.req("REQ-052")
def test_other_names_of_that_channel_are_warned_of(tmp_path: Path, channel: str) -> None:
    found = declared(tmp_path, conda_yaml=DEFAULTS_SAMPLE.replace("- defaults", f"- {channel}", 1))
    assert channel in found.warnings[0]


@pytest.mark.req("REQ-144")
def test_sample_of_seed_003(tmp_path: Path) -> None:
    found = declared(tmp_path, conda_yaml=SAMPLE_003)
    assert found.python == "3.10.11"
    assert texts(found)[0] == "mlflow==2.7.1"
    # mlflow itself brings pandas; nothing is added to a model that names it.
    assert len(found.entries) == 11
    assert found.warnings == ()


@pytest.mark.req("REQ-144")
def test_sample_of_seed_003_as_printed_without_indentation(tmp_path: Path) -> None:
    found = declared(tmp_path, conda_yaml=SAMPLE_003.replace("\n  - ", "\n- "))
    assert len(found.entries) == 11
    assert "not indented" in found.warnings[0]


def test_sample_of_seed_000_as_printed_names_the_line(tmp_path: Path) -> None:
    found = failure(tmp_path, conda_yaml=DEFAULTS_SAMPLE.replace("\nname:", "\n      name:"))
    assert found.cause is Cause.REQUIREMENT_UNSUPPORTED
    assert found.message == "conda.yaml is not valid YAML (line 10)"


@pytest.mark.req("REQ-050")
def test_conda_packages_are_named_with_the_remedy(tmp_path: Path) -> None:
    text = "dependencies:\n- python=3.8\n- pyspark=3.1.0\n- conda-forge::libgdal\n- pip\n- pip:\n  - mlflow\n"
    found = failure(tmp_path, conda_yaml=text)
    assert found.cause is Cause.REQUIREMENT_UNSUPPORTED
    assert "libgdal, pyspark=3.1.0" in found.message
    assert '"pyspark==3.1.0"' in found.hint


def test_conda_packages_that_pip_names_too_are_fine(tmp_path: Path) -> None:
    text = "dependencies:\n- python=3.10.2\n- numpy=1.26\n- pip:\n  - mlflow\n"
    assert declared(tmp_path, conda_yaml=text, requirements_txt="mlflow\nNumPy==1.26.4\n").python == "3.10.2"


def test_requirements_win_over_conda_and_python_env_over_both(tmp_path: Path) -> None:
    found = declared(
        tmp_path,
        conda_yaml=SAMPLE_003,
        requirements_txt="mlflow==3.17.2\n",
        python_env_yaml="python: 3.12.1\nbuild_dependencies: [pip==23.1, setuptools==68.0.0]\n",
    )
    assert texts(found) == ["mlflow==3.17.2"]
    assert found.python == "3.12.1"
    assert [each.text for each in found.build] == ["setuptools==68.0.0"]


@pytest.mark.req("REQ-144")
def test_old_libraries_find_pkg_resources(tmp_path: Path) -> None:
    # The sample's MLflow 2.7.1 imports it, and conda would have brought setuptools.
    assert [each.text for each in declared(tmp_path, conda_yaml=SAMPLE_003).build] == ["setuptools<81"]


@pytest.mark.req("REQ-142")
def test_the_loader_is_added_when_no_mlflow_is_named(tmp_path: Path) -> None:
    assert texts(declared(tmp_path, requirements_txt="scikit-learn==1.5.0\n")) == [
        "scikit-learn==1.5.0",
        "mlflow-skinny==3.17.2",
        "pandas",
    ]
    assert texts(declared(tmp_path, requirements_txt="mlflow-skinny==2.9\npandas<3\n")) == [
        "mlflow-skinny==2.9",
        "pandas<3",
    ]


def test_development_version_of_mlflow_is_not_pinned(tmp_path: Path) -> None:
    found = declared(tmp_path, MLmodel=MLMODEL.replace("3.17.2", "3.18.0.dev0"), requirements_txt="pandas\n")
    assert texts(found) == ["pandas", "mlflow-skinny"]


@pytest.mark.req("REQ-141")
def test_no_requirement_file_at_all(tmp_path: Path) -> None:
    found = declared(tmp_path)
    assert texts(found) == ["mlflow==3.17.2"]
    assert found.python == "3.11.7"
    assert "neither" in found.warnings[0]


def test_no_python_version_anywhere(tmp_path: Path) -> None:
    found = declared(tmp_path, MLmodel="flavors:\n  python_function: {}\n")
    assert found.python == platform.python_version()
    assert any("Python version" in each for each in found.warnings)


def test_python_that_is_too_old(tmp_path: Path) -> None:
    found = failure(tmp_path, python_env_yaml="python: 3.7.16\n", requirements_txt="mlflow\n")
    assert "3.7.16" in found.message


def test_no_mlmodel(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed) as caught:
        from jupyter_modelserve.controller.environments.requirements import read_requirements

        read_requirements(tmp_path)
    assert caught.value.failure.cause is Cause.ARTIFACTS_MISSING


def test_everything_that_pip_reads(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "inner.txt").write_text("-c ../limits.txt\nattrs>=22\n")
    (tmp_path / "limits.txt").write_text("numpy<3\n")
    (tmp_path / "links").mkdir()
    found = declared(
        tmp_path,
        requirements_txt=(
            "\ufeff# comment\n"
            "--index-url https://user:secret@example.invalid/simple\n"
            "--extra-index-url=https://two.invalid/simple --trusted-host two.invalid\n"
            "-flinks\n"
            "--no-binary numpy\n--pre\n"
            "-r more/inner.txt\n"
            "mlflow == 3.17.2 ; python_version >= '3.9'  # why\n"
            "six==1.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
            "lib @ git+https://example.invalid/lib.git@v1\n"
            "git+https://u:p@example.invalid/other.git#egg=other\n"
        ),
    )
    assert texts(found) == [
        "attrs>=22",
        "mlflow == 3.17.2 ; python_version >= '3.9'",
        "six==1.16.0 --hash=sha256:aa      --hash=sha256:bb".replace("      ", " "),
        "lib @ git+https://example.invalid/lib.git@v1",
        "git+https://u:p@example.invalid/other.git#egg=other",
    ]
    assert [each.text for each in found.constraints] == ["numpy<3"]
    options = found.options
    assert options.index_url == "https://user:secret@example.invalid/simple"
    assert options.extra_index_urls == ("https://two.invalid/simple",)
    assert options.trusted_hosts == ("two.invalid",)
    assert options.find_links == (str(tmp_path / "links"),)
    assert options.lines == ("--no-binary numpy",)
    assert options.pre
    assert "u:p" not in found.entries[-1].normal


@pytest.mark.parametrize(
    "line", ["wheels/private_lib-1.0-py3-none-any.whl", "./wheels/private_lib-1.0-py3-none-any.whl"]
)
@pytest.mark.req("REQ-124", "REQ-163")
def test_wheel_packaged_with_the_model(tmp_path: Path, line: str) -> None:
    path = wheel(tmp_path / "wheels", "private_lib")
    found = declared(tmp_path, requirements_txt=f"mlflow\n{line}\n")
    entry = found.entries[1]
    assert (entry.name, entry.local) == ("private-lib", path.resolve())
    assert entry.text == f"private-lib @ {path.resolve().as_uri()}"


@pytest.mark.req("REQ-124")
def test_packaged_mlflow_wheel_counts_as_mlflow(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "mlflow", "3.17.2")
    assert len(declared(tmp_path, requirements_txt="wheels/mlflow-3.17.2-py3-none-any.whl\n").entries) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("wheels/missing-1.0-py3-none-any.whl", "requirements.txt line 2: wheels/missing"),
        ("../outside-1.0-py3-none-any.whl", "leads out of the model"),
        ("-r ../secrets.txt", "leads out of the model"),
        ("-c missing.txt", "not among the model's files"),
        ("/nowhere/lib-1.0-py3-none-any.whl", "not among the model's files"),
        ("--what", "line 2: '--what'"),
        ("numpy==", "line 2: 'numpy=='"),
        ("-r requirements.txt", "includes itself"),
    ],
)
@pytest.mark.req("REQ-163")
def test_what_cannot_be_honoured_names_the_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "secrets.txt").write_text("hello\n")
    found = failure(tmp_path / "model", requirements_txt=f"mlflow\n{line}\n")
    assert found.cause is Cause.REQUIREMENT_UNSUPPORTED
    assert message in found.message
    assert found.hint
    assert "hello" not in found.message


def test_key_is_stable_and_sees_what_matters(tmp_path: Path) -> None:
    def key(name: str, text: str, python: str = "3.11.7") -> str:
        return content_key(declared(tmp_path / name, requirements_txt=text, python_env_yaml=f"python: {python}\n"))

    base = key("a", "mlflow==3.17.2\nscikit-learn>=1,<2\n")
    assert len(base) == 32
    assert key("b", "Scikit_Learn<2,>=1\n\nmlflow == 3.17.2  # same\n", "3.11.2") == base
    others = {
        base,
        key("c", "mlflow==3.17.2\nscikit-learn>=1,<3\n"),
        key("d", "mlflow==3.17.2\nscikit-learn>=1,<2\n", "3.12.1"),
        key("e", "--extra-index-url https://x.invalid/simple\nmlflow==3.17.2\nscikit-learn>=1,<2\n"),
    }
    assert len(others) == 4


@pytest.mark.req("REQ-124")
def test_key_sees_the_content_of_a_packaged_wheel(tmp_path: Path) -> None:
    keys = set()
    for number, body in enumerate(("x = 1\n", "x = 2\n", "x = 1\n")):
        directory = model(tmp_path / str(number), requirements_txt="mlflow\nwheels/lib-1.0-py3-none-any.whl\n")
        path = wheel(directory / "wheels", "lib", body=body)
        assert path.is_file()
        keys.add(content_key(declared(directory, requirements_txt="mlflow\nwheels/lib-1.0-py3-none-any.whl\n")))
    # Zip files carry times; equal content with equal times is one key.
    assert 2 <= len(keys) <= 3
