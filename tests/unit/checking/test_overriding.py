"""Other requirements and another Python are tried on a copy; the model itself stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_modelserve.checked import Overrides
from jupyter_modelserve.controller.checking.overriding import apply, checked
from jupyter_modelserve.controller.digests import digest
from jupyter_modelserve.controller.engines import pushing
from jupyter_modelserve.controller.environments.requirements import read_requirements
from jupyter_modelserve.errors import InvalidParameter
from tests.unit.environments.factory import model


def tried(directory: Path, place: Path, overrides: Overrides) -> tuple[set[str], str]:
    before = digest(directory)
    copy = pushing.push(place, "model", directory, before)
    apply(copy, overrides)
    assert digest(directory) == before
    assert digest(copy) != before
    found = read_requirements(copy)
    return {each.normal for each in found.entries}, found.minor


@pytest.mark.req("REQ-127")
def test_requirements_are_replaced_added_and_left_out(tmp_path: Path) -> None:
    text = "mlflow==3.17.2\npandas==3.0 # pinned\nScikit_Learn[x]==1.4 \\\n  --hash=sha256:00\nnumpy\n"
    directory = model(tmp_path / "model", requirements_txt=text, python_env_yaml="python: 3.11.7\n")
    overrides = Overrides(("scikit-learn==1.5", "tqdm"), ("NumPy",), "3.10")
    assert tried(directory, tmp_path / "place", overrides) == (
        {"mlflow==3.17.2", "pandas==3.0", "scikit-learn==1.5", "tqdm"},
        "3.10",
    )


@pytest.mark.req("REQ-127")
def test_a_model_with_only_a_conda_file(tmp_path: Path) -> None:
    conda = "dependencies:\n- python=3.11\n- pip:\n  - mlflow==3.17.2\n  - pandas==3.0\n  - a==1\n"
    directory = model(tmp_path / "model", conda_yaml=conda)
    found = tried(directory, tmp_path / "place", Overrides(("a==2",)))
    assert found == ({"mlflow==3.17.2", "pandas==3.0", "a==2"}, "3.11")


@pytest.mark.req("REQ-127")
def test_a_model_that_declares_nothing(tmp_path: Path) -> None:
    found = tried(model(tmp_path / "model"), tmp_path / "place", Overrides(("a",), python="3.10.4"))
    assert found == ({"mlflow==3.17.2", "a"}, "3.10")


def test_a_file_outside_the_model_is_not_written(tmp_path: Path) -> None:
    text = "flavors: {python_function: {env: {virtualenv: ../../victim.yaml}}}\n"
    directory = model(tmp_path / "model", MLmodel=text, requirements_txt="mlflow\npandas\n")
    apply(pushing.push(tmp_path / "place", "model", directory, digest(directory)), Overrides(python="3.10"))
    assert not (tmp_path / "victim.yaml").exists()
    assert (tmp_path / "place" / "model" / "python_env.yaml").is_file()


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        (Overrides(("--index-url=http://x",)), "requirements"),
        (Overrides(("../x.whl",)), "requirements"),
        (Overrides(("x @ file:///etc/passwd",)), "requirements"),
        (Overrides(("a\nb",)), "requirements"),
        (Overrides(remove=("-e .",)), "remove"),
        (Overrides(("a",) * 101), "requirements"),
        (Overrides(python="latest"), "python"),
    ],
)
def test_what_could_reach_further_is_refused(overrides: Overrides, field: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        checked(overrides)
    assert caught.value.details == {"field": field}
