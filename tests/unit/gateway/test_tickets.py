"""Tickets: made with the instance's secret, for one address, until they end."""

from __future__ import annotations

import base64
import json

import pytest

from jupyter_modelserve import tickets
from jupyter_modelserve.tickets import Ticket

TICKET = Ticket("t1", "/api/2.0/fs/files/WorkspaceModels/größe/1/MLmodel", 1_000)


def test_what_was_made_is_read_back_until_it_ends() -> None:
    text = tickets.make("secret", TICKET)
    assert text.isascii()
    assert tickets.read("secret", text, 999) == TICKET
    assert tickets.read("secret", text, 1_000) is None


def _changed(text: str) -> list[str]:
    body, _, signature = text.removeprefix(tickets.PREFIX).partition(".")
    other = base64.urlsafe_b64encode(json.dumps(["t1", "/other", 9e15]).encode()).decode()
    return [
        f"{tickets.PREFIX}{other}.{signature}",
        f"{tickets.PREFIX}{body}.",
        f"{tickets.PREFIX}{body}",
        tickets.PREFIX,
        f"{body}.{signature}",
        f"{text}x",
        f"{tickets.PREFIX}a.b",
        f"{tickets.PREFIX}\xff.\xff",
    ]


@pytest.mark.parametrize("number", range(8))
def test_nobody_else_makes_one(number: int) -> None:
    text = tickets.make("secret", TICKET)
    assert tickets.read("another", text, 0) is None
    assert tickets.read("secret", _changed(text)[number], 0) is None
