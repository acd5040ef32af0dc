"""Hard links, copies, digests: what the replica gets is what was registered, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from jupyter_modelserve.controller.digests import digest
from jupyter_modelserve.controller.engines import pushing
from jupyter_modelserve.errors import InvalidParameter


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    (directory / "code").mkdir(parents=True)
    (directory / "MLmodel").write_text("a")
    (directory / "code" / "features.py").write_text("b")
    return directory


def test_files_are_linked(model: Path, tmp_path: Path) -> None:
    place = pushing.push(tmp_path / "models", "w1", model, "d1")
    assert (place / "code" / "features.py").stat().st_ino == (model / "code" / "features.py").stat().st_ino
    assert not [each for each in place.iterdir() if "digest" in each.name]


def test_copies_are_not_reached_by_who_writes_to_the_source(model: Path, tmp_path: Path) -> None:
    place = pushing.push(tmp_path / "models", "w1", model, "d1", link=False)
    (model / "MLmodel").write_text("c")
    assert (place / "MLmodel").read_text() == "a"


def test_files_are_copied_where_links_fail(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    place = pushing.push(tmp_path / "models", "w1", model, "d1")
    assert digest(place) == digest(model)
    assert (place / "MLmodel").stat().st_ino != (model / "MLmodel").stat().st_ino


def test_same_digest_is_left_alone_and_another_replaces(model: Path, tmp_path: Path) -> None:
    place = pushing.push(tmp_path / "models", "w1", model, "d1")
    (model / "new").write_text("c")
    assert not (pushing.push(tmp_path / "models", "w1", model, "d1") / "new").exists()
    assert (pushing.push(tmp_path / "models", "w1", model, "d2") / "new").exists()
    pushing.discard(tmp_path / "models", "w1")
    assert not place.exists()
    assert list((tmp_path / "models").iterdir()) == []


def test_half_pushed_files_are_pushed_again(model: Path, tmp_path: Path) -> None:
    place = tmp_path / "models" / "w1"
    place.mkdir(parents=True)
    (place / "half").touch()
    assert digest(pushing.push(tmp_path / "models", "w1", model, "d1")) == digest(model)


def test_links_inside_become_files(model: Path, tmp_path: Path) -> None:
    plain = digest(model)
    (model / "again").symlink_to("code")
    (model / "copy.py").symlink_to("code/features.py")
    assert digest(model) != plain
    place = pushing.push(tmp_path / "models", "w1", model, "d1")
    assert (place / "copy.py").read_text() == "b"
    assert not (place / "copy.py").is_symlink()
    assert (place / "again" / "features.py").read_text() == "b"
    assert digest(place) == digest(model)


def test_digest_sees_names_contents_and_borders(model: Path, tmp_path: Path) -> None:
    seen = {digest(model)}
    twin = tmp_path / "twin"
    shutil.copytree(model, twin)
    assert digest(twin) in seen
    (twin / "MLmodel").write_text("ab")
    seen.add(digest(twin))
    (twin / "MLmodel").rename(twin / "MLmodel2")
    seen.add(digest(twin))
    assert len(seen) == 3


def test_digest_ignores_what_mlflow_writes_when_it_loads(model: Path) -> None:
    before = digest(model)
    (model / "registered_model_meta").write_text("name: x")
    assert digest(model) == before
    (model / "code" / "registered_model_meta").write_text("name: x")
    assert digest(model) != before


@pytest.mark.parametrize("target", ["/etc", "../outside", "missing", ".", "loop"])
def test_links_that_do_not_belong_are_refused(model: Path, target: str) -> None:
    (model.parent / "outside").mkdir()
    (model / "loop").symlink_to(target)
    with pytest.raises(InvalidParameter, match="loop"):
        digest(model)


def test_special_files_are_refused_instead_of_waited_for(model: Path) -> None:
    os.mkfifo(model / "pipe")
    with pytest.raises(InvalidParameter, match="neither"):
        digest(model)


def test_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="no directory"):
        digest(tmp_path / "nothing")
