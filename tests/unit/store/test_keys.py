"""The file with the keys of secrets: one file, whoever makes it first, and never half of one."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jupyter_modelserve.controller.store.database import Database
from jupyter_modelserve.controller.store.keys import KeyFile
from jupyter_modelserve.controller.store.sealing import Unreadable, seal, unseal
from jupyter_modelserve.errors import Unavailable
from jupyter_modelserve.settings import Paths

pytestmark = pytest.mark.req("REQ-140")
KILLED = """
import os, sys
from pathlib import Path
from jupyter_modelserve.controller.store.keys import KeyFile
file = KeyFile(Path(sys.argv[1]))
sys.addaudithook(lambda event, _: os._exit(9) if event == sys.argv[2] else None)
getattr(file, sys.argv[3])()
"""
"""Ends as a kill would, before the step that gives a draft its name."""


def test_many_that_begin_at_once_get_the_same_key(tmp_path: Path) -> None:
    path, count = tmp_path / "secret.key", 16
    gate, found = threading.Barrier(count), list[str]()

    def begin() -> None:
        gate.wait()
        found.append(KeyFile(path).ensure()[0].id)

    threads = [threading.Thread(target=begin) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == count
    assert set(found) == {KeyFile(path).read()[0].id}
    assert [each.name for each in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_that_cannot_be_used_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    for text in ("", "# nothing\n", "short\n", "no base64 at all, but as long as a key could be\n", "\xff"):
        path.write_text(text, encoding="latin-1")
        for use in (KeyFile(path).read, KeyFile(path).ensure, KeyFile(path).renew):
            with pytest.raises(Unavailable, match=r"secret\.key"):
                use()
        assert path.read_text(encoding="latin-1") == text


def test_a_key_is_shown_by_a_name_that_tells_nothing(tmp_path: Path) -> None:
    key = KeyFile(tmp_path / "secret.key").ensure()[0]
    assert repr(key) == f"Key(id='{key.id}')"
    assert key.id not in (tmp_path / "secret.key").read_text()


def test_equal_values_do_not_look_equal_and_each_byte_counts(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path / "secret.key").ensure()
    first, second = (seal(keys[0], ("iris", "KEY", "r"), "välue\n") for _ in range(2))
    assert first != second
    assert unseal(keys, keys[0].id, ("iris", "KEY", "r"), first) == "välue\n"
    for place in (("iri", "sKEY", "r"), ("iris", "KEY", "s"), ("KEY", "iris", "r")):
        with pytest.raises(Unreadable, match="changed"):
            unseal(keys, keys[0].id, place, first)
    broken = ("A" if first[0] != "A" else "B") + first[1:]
    for text in (broken, first[:-4], "", "no base64"):
        with pytest.raises(Unreadable, match="changed"):
            unseal(keys, keys[0].id, ("iris", "KEY", "r"), text)
    with pytest.raises(Unreadable, match="its key other is not in the key file"):
        unseal(keys, "other", ("iris", "KEY", "r"), first)


@pytest.mark.parametrize(("step", "work"), [("os.rename", "ensure"), ("os.link", "ensure"), ("os.rename", "renew")])
def test_what_a_killed_writer_left_is_removed(tmp_path: Path, step: str, work: str) -> None:
    path, other = tmp_path / "secret.key", tmp_path / ".secret.keys-of-mine"
    other.touch()
    if work == "renew":
        KeyFile(path).ensure()
    before = set(tmp_path.iterdir())
    assert subprocess.run([sys.executable, "-c", KILLED, str(path), step, work], check=False).returncode == 9
    (draft,) = set(tmp_path.iterdir()) - before
    assert len(draft.read_text().splitlines()) == (3 if work == "renew" else 2)
    KeyFile(path, str(path)).tidy()
    assert draft.exists()
    KeyFile(path).ensure()
    KeyFile(path).renew()
    KeyFile(path).keep([])
    assert set(tmp_path.iterdir()) == {path, other}


async def test_a_start_removes_what_a_killed_controller_left(tmp_path: Path) -> None:
    for name in (".secret.key-x1y2z3_4", "..secret.key-0123456789abcdef-x1y2z3_4"):
        (tmp_path / name).write_text("a key")
    database = Database.of(Paths(tmp_path))
    await database.prepare("ann")
    await database.close()
    assert [each.name for each in tmp_path.iterdir()] == ["registry.db"]
