"""What a build in a container gets of this machine's configuration, and what it does not."""

from __future__ import annotations

from pathlib import Path

from jupyter_modelserve.controller.environments.declared import Declared, plain
from jupyter_modelserve.controller.environments.images_transfer import MODEL, in_model, transfer


def test_files_are_mounted_and_their_places_rewritten(tmp_path: Path) -> None:
    bundle, links, constraints = tmp_path / "ca.pem", tmp_path / "wheels", tmp_path / "c.txt"
    for each in (bundle, constraints):
        each.write_text("x")
    links.mkdir()
    environ = {
        "HOME": str(tmp_path),
        "SSL_CERT_FILE": str(bundle),
        "UV_FIND_LINKS": f"{links},https://wheels.example/simple,file://{links}",
        "UV_CONSTRAINT": str(constraints),
    }
    found = transfer(environ, Declared("3.11", ()), tmp_path)
    places = {source: place for place, source in found.mounts.items()}
    assert places[tmp_path.resolve()] == MODEL
    assert found.environ["SSL_CERT_FILE"] == found.environ["PIP_CERT"] == places[bundle]
    assert found.environ["UV_FIND_LINKS"] == f"{places[links]},https://wheels.example/simple,{places[links]}"
    assert found.environ["UV_CONSTRAINT"] == places[constraints]
    assert str(tmp_path) not in "".join(found.environ.values())


def test_only_what_a_build_needs_goes_along(tmp_path: Path) -> None:
    environ = {
        "HOME": str(tmp_path),
        "PATH": "/usr/bin",
        "SECRET_OF_MINE": "x",
        "WANTED": "y",
        "HTTPS_PROXY": "http://proxy.example",
        "UV_INDEX_URL": "https://index.example/simple",
        "UV_CACHE_DIR": "/home/me/.cache/uv",
        "PIP_INDEX_URL": "https://index.example/simple",
    }
    declared = Declared("3.11", (plain("tiny @ https://host.example/${WANTED}/tiny-1.0-py3-none-any.whl"),))
    found = transfer(environ, declared, tmp_path).environ
    assert found["WANTED"] == "y"
    assert found["UV_INDEX_URL"] == "https://index.example/simple"
    assert found["HTTPS_PROXY"] == "http://proxy.example"
    assert found["UV_CACHE_DIR"].startswith("/run/modelserve/")
    assert not {"PATH", "SECRET_OF_MINE", "PIP_INDEX_URL"} & set(found)


def test_wheels_in_the_model_are_found_in_the_container(tmp_path: Path) -> None:
    assert in_model(f"{tmp_path.resolve()}/code/x-1-py3-none-any.whl", tmp_path) == f"{MODEL}/code/x-1-py3-none-any.whl"
