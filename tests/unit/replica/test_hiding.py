"""Secrets do not reach a log, in whatever pieces they are printed; every line has a time of its own."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.replica.hiding import Hider
from jupyter_modelserve.replica.parent.logs import RotatingLog
from jupyter_modelserve.replica.worker import loader, main
from jupyter_modelserve.replica.worker.failures import explain
from jupyter_modelserve.replica.worker.probe import ProbeFailed
from tests.unit.replica.fast import config

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


LONG = f"{'/'.join(sha256(bytes([number])).hexdigest() for number in range(5))}.{sha256(b'more').hexdigest() * 4}"[:600]
SEVERAL = f"-----BEGIN A KEY-----\n{LONG[:64]}\n{LONG[100:164]}\n-----END A KEY-----\n"


def pieces(value: str) -> set[str]:
    """What must not be read anywhere: all runs of twelve characters of a value."""
    return {value[begin : begin + 12] for begin in range(len(value) - 11)}


@pytest.mark.req("REQ-140")
@pytest.mark.parametrize("value", [LONG, SEVERAL], ids=["600 characters", "several lines"])
@pytest.mark.parametrize(
    "error",
    [
        lambda value: ValueError(f"no answer from https://user:{value}@host"),
        lambda value: ValueError(f"cannot log in with {value!r}"),
        lambda value: KeyError(value),
        lambda value: ImportError(f"cannot import {value}"),
        lambda value: ModuleNotFoundError("no module", name=value),
        lambda value: EOFError(f"{value} has ended"),
        lambda value: FileNotFoundError(2, "No such file", f"/keys/{value}"),
        lambda value: ProbeFailed("refused", value),
    ],
    ids=["text", "repr", "key", "import", "module", "pickle", "file", "probe"],
)
def test_a_failure_is_shortened_after_its_secrets_are_hidden(error: Any, value: str, tmp_path: Path) -> None:
    """The parent hides whole values only; half of one, or one of its lines, would get through."""
    hider = Hider([value])
    said = json.dumps(hider.clean_all(explain(error(value), str(tmp_path), hider)))
    assert "[secret]" in said
    assert not {each for each in pieces(value) if each in said}


@pytest.mark.req("REQ-140")
def test_the_worker_hides_before_it_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: str) -> None:
        raise ValueError(f"no answer from {LONG}")

    monkeypatch.setattr(loader, "read_model_file", failing)
    reporter = Mock()
    assert main._load_and_probe(config(tmp_path, secrets={"API_KEY": LONG}), reporter) is None
    assert reporter.send.call_args.kwargs["failure"]["message"].endswith("ValueError: no answer from [secret]")


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
