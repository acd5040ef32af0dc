"""Many logs as one: by time, each line once, and nothing lost between two questions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.controller.endpoints.logs import LogWish, _read_cursor, merge, read
from jupyter_modelserve.controller.endpoints.observation import Sight
from jupyter_modelserve.controller.endpoints.view import Worker
from jupyter_modelserve.controller.engines.base import EngineUnavailable
from jupyter_modelserve.errors import InvalidParameter, NotFound, Unavailable
from jupyter_modelserve.types import VersionState


def worker(replica: str, version: str = "1") -> Worker:
    return Worker(f"{replica}.w{version}", replica, "iris", version, VersionState.READY)


def stamp(second: int, micros: int = 0) -> str:
    return f"2025-11-21T15:20:{second:02}.{micros:06}Z"


FIRST, SECOND = worker("aaaaaaaaaaaa"), worker("bbbbbbbbbbbb", "2")


@pytest.mark.req("REQ-197")
def test_lines_of_all_replicas_are_one_log_by_time() -> None:
    found = merge(
        [(FIRST, f"{stamp(1)} one\n{stamp(4)} four\n"), (SECOND, f"{stamp(2)} two\n{stamp(3)} three\n")], {}, 10
    )
    assert found.text == ("aaaaaaaa iris/1  one\nbbbbbbbb iris/2  two\nbbbbbbbb iris/2  three\naaaaaaaa iris/1  four\n")
    assert [(line.replica, line.version) for line in found.lines[:2]] == [("aaaaaaaaaaaa", "1"), ("bbbbbbbbbbbb", "2")]
    assert found.lines[1].at - found.lines[0].at == 1000
    assert merge([(FIRST, f"{stamp(1)} alone\n")], {}, 10).text == "alone\n"


def test_the_last_lines_are_kept() -> None:
    text = "".join(f"{stamp(n)} {n}\n" for n in range(10))
    assert merge([(FIRST, text)], {}, 3).text == "7\n8\n9\n"


def test_lines_of_a_parent_that_notes_no_times_are_not_lost() -> None:
    found = merge([(FIRST, "old one\nold two\n"), (SECOND, f"{stamp(2)} new\n")], {}, 10)
    assert [(line.text, line.at > 0) for line in found.lines] == [("old one", False), ("old two", False), ("new", True)]


@pytest.mark.req("REQ-197")
@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\r", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("forged", ["9999-01-01T00:00:00.000000Z", "2026-99-99T99:99:99.999999Z"])
def test_what_a_model_prints_ends_no_line_and_gives_no_time(end: str, forged: str) -> None:
    found = merge([(FIRST, f"{stamp(1)} asked{end}{forged} x\n{stamp(2)} next\n")], {}, 10)
    assert [line.text for line in found.lines] == [f"asked{end}{forged} x", "next"]
    assert found.cursor == f"{FIRST.id}={stamp(2)}"


@pytest.mark.parametrize(
    "forged",
    [
        "9999-01-01T00:00:00.000000Z",
        "2026-99-99T99:99:99.999999Z",
        "2026-11-21Tnot a time at all Z",
        "\u0662\u0660\u0662\u0666-11-21T15:20:46.123456Z",
    ],
)
def test_a_time_that_no_parent_noted_is_text(forged: str) -> None:
    """The rest of a line that a rotation divided can begin with whatever the model printed."""
    found = merge([(FIRST, f"{stamp(1)} one\n{forged} two\n")], {}, 10)
    assert [line.text for line in found.lines] == ["one", f"{forged} two"]
    assert found.cursor == f"{FIRST.id}={stamp(1)}"


def test_a_clock_may_be_a_little_ahead_but_no_time_is_of_tomorrow() -> None:
    def ahead(minutes: int) -> str:
        return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    soon = ahead(1)
    found = merge([(FIRST, f"{soon} one\n{ahead(60)} two\n")], {}, 10)
    assert found.lines[0].text == "one"
    assert found.cursor == f"{FIRST.id}={soon}"


@pytest.mark.req("REQ-197")
@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=40))
def test_following_shows_every_line_once(printed: list[tuple[str, bool]]) -> None:
    workers = {"a": FIRST, "b": SECOND}
    logs, seen, cursor = {"a": "", "b": ""}, list[str](), ""
    for number, (name, look) in enumerate(printed):
        logs[name] += f"{stamp(number)} line {number}\n"
        if look:
            found = merge([(workers[each], logs[each]) for each in "ab"], _read_cursor(cursor), 1000)
            seen, cursor = [*seen, *(line.text for line in found.lines)], found.cursor
    found = merge([(workers[each], logs[each]) for each in "ab"], _read_cursor(cursor), 1000)
    seen += [line.text for line in found.lines]
    assert seen == [f"line {number}" for number in range(len(printed))]


def test_a_foreign_cursor_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="after"):
        _read_cursor("nonsense")


class Silent:
    async def log(self, name: str, tail: int, *, times: bool) -> str:
        raise EngineUnavailable("silent")


class Telling:
    async def log(self, name: str, tail: int, *, times: bool) -> str:
        assert times
        return f"{stamp(1)} of {name}\n"


class Seen:
    """An observer that sees two replicas; the second one is silent."""

    async def look(self) -> Sight:
        return Sight(True, {}, {each.id: each for each in (FIRST, SECOND)})

    def client(self, replica: str) -> Silent | Telling:
        return Telling() if replica == FIRST.replica else Silent()


async def test_one_silent_replica_does_not_hide_the_others() -> None:
    found = await read("iris", Seen(), LogWish())  # type: ignore[arg-type]
    assert [line.text for line in found.lines] == ["of w1"]
    with pytest.raises(Unavailable, match="silent"):
        await read("iris", Seen(), LogWish(replica="bbbb"))  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="no version 7"):
        await read("iris", Seen(), LogWish(version="7"))  # type: ignore[arg-type]
    with pytest.raises(NotFound, match="no replica cccc"):
        await read("iris", Seen(), LogWish(replica="cccc"))  # type: ignore[arg-type]
