"""Server-sent events are read whatever way the lines come."""

from __future__ import annotations

from jupyter_modelserve.client.sse import Message, Parser


def feed(*lines: str) -> list[Message]:
    parser = Parser()
    return [message for line in lines if (message := parser.feed(line))]


def test_messages_comments_and_several_data_lines() -> None:
    assert feed(": ping", "", "id: 7", "event: status", "data: {", "data: }", "", "data:x", "") == [
        Message("status", "{\n}", 7),
        Message("message", "x", 0),
    ]


def test_an_unfinished_message_is_not_given_out() -> None:
    assert feed("event: status", "data: {}") == []
    assert feed("event: status", "", "") == []
