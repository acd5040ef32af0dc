"""Flavours, formats, requirements and the token's reach, each on its own."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import requests
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from jupyter_modelserve import launcher
from jupyter_modelserve.authoring import connection, requirements, serialize, stamp
from jupyter_modelserve.authoring.flavors import Flavor, detect
from jupyter_modelserve.client import address as addresses
from jupyter_modelserve.client import session
from jupyter_modelserve.client.address import Address
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import NotRunning
from jupyter_modelserve.plugins import auth_provider
from jupyter_modelserve.settings import Paths

FITTED = np.array([[0.0], [1.0]]), np.array([0, 1])


class Subclass(LogisticRegression):
    """An estimator of the user's own."""


def _like(module: str) -> Any:
    return type("Model", (), {"__module__": module})()


@pytest.mark.parametrize(
    ("model", "flavor"),
    [
        (LogisticRegression(), "sklearn"),
        (Subclass(), "sklearn"),
        (_like("xgboost.sklearn"), "xgboost"),
        (_like("lightgbm.sklearn"), "lightgbm"),
        (_like("catboost.core"), "catboost"),
        (_like("torch.nn.modules.linear"), "pytorch"),
        (_like("keras.src.models"), "tensorflow"),
        (_like("statsmodels.regression.linear_model"), "statsmodels"),
        (_like("transformers.pipelines"), "transformers"),
        (lambda frame: frame, "pyfunc"),
    ],
)
def test_flavors(model: Any, flavor: str) -> None:
    assert detect(model).name == flavor


def test_skops_with_trusted_types_or_cloudpickle() -> None:
    forest = RandomForestClassifier(n_estimators=2).fit(*FITTED)
    assert serialize.sklearn_arguments(forest)["serialization_format"] == "skops"
    assert serialize.trusted_types(forest)
    own = Subclass().fit(*FITTED)
    assert serialize.sklearn_arguments(own) == {"serialization_format": "cloudpickle"}


def test_distributions_are_those_that_the_standard_library_finds() -> None:
    expected = {module: found[0] for module, found in metadata.packages_distributions().items()}
    assert len(expected) > 100
    # Later Pythons name shared libraries and folders without a module as well.
    found = {module: requirements.distributions_of(module)[:1] for module in expected}
    assert {module: each[0] for module, each in found.items() if each}.items() <= expected.items()
    assert all(found[module] for module in ("numpy", "sklearn", "pandas", "mlflow", "cloudpickle", "yaml", "six"))
    assert requirements.distributions_of("nothing_like_it") == []


def test_a_distribution_that_is_one_shared_library_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lonely-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: lonely\nVersion: 1.0\n")
    (folder / "RECORD").write_text("_lonely.abi3.so,,\nlonely_data/x.txt,,\nlonely-1.0.dist-info/METADATA,,\n")
    (found,) = metadata.distributions(path=[str(tmp_path)])
    monkeypatch.setattr(metadata, "distributions", lambda: [found])
    requirements._by_module.cache_clear()
    try:
        assert requirements.distributions_of("_lonely") == ["lonely"]
        assert requirements.distributions_of("lonely_data") == []
    finally:
        requirements._by_module.cache_clear()


def test_requirements_are_pinned_and_complete() -> None:
    model = RandomForestClassifier(n_estimators=2).fit(*FITTED)
    pins, warnings = requirements.infer(model, Flavor("sklearn"), {"serialization_format": "skops"})
    assert {each.split("==")[0] for each in pins} >= {"scikit-learn", "numpy", "pandas", "scipy", "skops"}
    assert all("==" in each for each in pins)
    assert warnings == []


def test_imports_inside_functions_are_seen() -> None:
    def outer() -> Any:
        def inner() -> Any:
            import httpx

            return httpx

        return inner

    assert "httpx" in requirements.modules_of(outer)
    assert not {"builtins", "typing", "__main__"} & requirements.modules_of(outer)


def test_the_token_goes_to_our_address_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_provider, "_known", {})
    monkeypatch.setattr(auth_provider, "_foreign", {})

    def nothing(**_: Any) -> Address:
        raise NotRunning("nothing runs")

    monkeypatch.setattr(addresses, "locate", nothing)
    auth_provider.remember(Address("http://127.0.0.1:8123", "ms_secret"))
    auth = auth_provider.ModelServeAuthProvider().get_auth()

    def header(url: str) -> str | None:
        return requests.Request("GET", url, auth=auth).prepare().headers.get("Authorization")

    assert header("http://127.0.0.1:8123/api/2.0/mlflow/x") == "Bearer ms_secret"
    assert header("http://localhost:8123/x") == "Bearer ms_secret"
    for other in (
        "http://127.0.0.1:8124/",
        "https://127.0.0.1:8123/",
        "http://127.0.0.1.evil:8123/",
        "http://evil/?127.0.0.1:8123",
    ):
        assert header(other) is None


def test_an_unannounced_address_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth_provider, "_known", {})
    monkeypatch.setattr(auth_provider, "_foreign", {})
    monkeypatch.setattr(addresses, "locate", lambda **_: Address("http://127.0.0.1:8123", "ms_found"))
    assert auth_provider.token_for("http://127.0.0.1:8123/x") == "ms_found"
    assert auth_provider.token_for("http://elsewhere/x") is None


@pytest.mark.parametrize("autostart", [False, True])
def test_an_ended_instance_is_started_or_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autostart: bool
) -> None:
    started: list[Paths] = []
    (tmp_path / "instance.json").write_text('{"instance_id": "i", "port": 8123, "nonce": "n"}')
    monkeypatch.setenv("MODELSERVE_HOME", str(tmp_path))
    monkeypatch.setenv("MODELSERVE_AUTOSTART", str(autostart))
    monkeypatch.setattr(launcher, "ensure", started.append)
    auth_provider.keep_running("http://elsewhere:8123/x")
    assert started == []
    if autostart:
        auth_provider.keep_running("http://localhost:8123/x")
        assert started == [Paths(tmp_path)]
    else:
        with pytest.raises(NotRunning, match="jupyter modelserve up"):
            auth_provider.keep_running("http://localhost:8123/x")


def test_mlflow_finds_the_provider() -> None:
    from mlflow.tracking.request_auth import registry

    auth_provider.install()
    auth_provider.install()
    assert isinstance(cast(Any, registry).fetch_auth("modelserve"), auth_provider.ModelServeAuth)


def test_credentials_are_swapped_and_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "other")
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "kubernetes")
    with connection.credentials(Address("http://127.0.0.1:8123", "ms_secret")):
        assert "MLFLOW_TRACKING_TOKEN" not in os.environ
        assert os.environ["MLFLOW_TRACKING_AUTH"] == "modelserve"
    assert os.environ["MLFLOW_TRACKING_TOKEN"] == "other"
    assert os.environ["MLFLOW_TRACKING_AUTH"] == "kubernetes"


def test_the_run_is_named_after_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/me/work/iris study.ipynb")
    assert connection.notebook_name() == "iris study"
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setattr(stamp, "_namespace", dict)
    assert connection.notebook_name() == "notebook"


def test_connect_chooses_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Any] = []
    fake = SimpleNamespace(status=lambda: None, url="http://127.0.0.1:1", address=Address("http://127.0.0.1:1", "t"))
    monkeypatch.setattr(Client, "discover", classmethod(lambda cls, url, token: fake))
    monkeypatch.setattr(session, "use", used.append)
    connection.connect()
    assert used == [fake]
