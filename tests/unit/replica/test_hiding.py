"""Secrets do not reach a log, in whatever pieces they are printed; every line has a time of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.replica.parent.hiding import Hider
from jupyter_modelserve.replica.parent.logs import RotatingLog

SECRETS = ["abab-cdcd", "abab-cdcd-and-more", "cdcd-xyz", "pä/ss\n\"wörd'", "no"]
PARTS = st.lists(st.sampled_from([*SECRETS, "ab", "abab-", "cdcd", "-and", "x\n", "no", "ä", "é"]), max_size=8)


@pytest.mark.req("REQ-140")
@given(PARTS, st.lists(st.integers(1, 7), max_size=60))
def test_no_value_gets_through_whatever_the_pieces(parts: list[str], sizes: list[int]) -> None:
    printed = "".join(parts).encode()
    stream, written, rest = Hider(SECRETS).stream(), b"", printed
    for size in sizes:
        written += stream.feed(rest[:size])
        rest = rest[size:]
    written += stream.feed(rest) + stream.end()
    assert not any(secret.encode() in written for secret in SECRETS if len(secret) >= 4)
    if not any(secret.encode() in printed for secret in SECRETS if len(secret) >= 4):
        assert written == printed


@pytest.mark.req("REQ-140")
def test_a_value_is_hidden_as_python_and_json_write_it() -> None:
    value = 'line one\nline "two"'
    hider = Hider([value])
    assert hider.clean_all({"message": [f"got {value!r}", 3]}) == {"message": ["got '[secret]'", 3]}
    assert hider.clean(b'{"a": "line one\\nline \\"two\\""}') == b'{"a": "[secret]"}'


def test_short_values_are_left_alone() -> None:
    assert Hider(["1", "yes"]).clean(b"1 + 1, yes") == b"1 + 1, yes"


@pytest.mark.req("REQ-197")
def test_each_line_has_a_time_of_its_own_that_only_grows(tmp_path: Path) -> None:
    log = RotatingLog(str(tmp_path / "x.log"), 1024)
    for piece in (b"one\ntw", b"o\n", b"\n", b"half"):
        log.write(piece)
    log.note("a word of ours")
    log.write(b"x\n" * 30)
    stamped = log.tail(100, times=True)
    times = [line.partition(" ")[0] for line in stamped]
    assert times == sorted(set(times))
    assert [line.partition(" ")[2] for line in stamped][:5] == ["one", "two", "", "half", "modelserve: a word of ours"]
    assert log.tail(100) == [line.partition(" ")[2] for line in stamped]
    log.close()


def test_a_line_that_only_looks_like_a_time_stays(tmp_path: Path) -> None:
    log = RotatingLog(str(tmp_path / "x.log"), 2000)
    log.write(b"2026-11-21T15:20:46.123456Z is a time\n")
    assert log.tail(1) == ["2026-11-21T15:20:46.123456Z is a time"]
    log.close()
