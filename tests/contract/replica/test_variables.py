"""Variables and secrets of a version: they reach the model, and secrets reach nobody else (REQ-140)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.replica.conftest import Replica, children, command, until

pytestmark = pytest.mark.req("REQ-140")
SECRET = 's3cret-of-the-test "with" ünïcode'


@pytest.fixture
def start_method() -> str:
    """One that could fork: a version with variables is spawned all the same."""
    return "fork"


def telling(frame: Any, params: Any) -> list[str]:
    import hashlib
    import os

    secret = os.environ.get("API_KEY", "")
    print(f"using {secret} now", flush=True)
    if frame.iloc[0, 0] == 2:
        raise ValueError(f"cannot log in with {secret!r}")
    return [os.environ.get("PLAIN", "")] + [hashlib.sha256(secret.encode()).hexdigest()] * (len(frame) - 1)


def test_the_model_has_both_and_nothing_shows_the_secret(replica: Replica, save_model: Callable[..., Path]) -> None:
    model = save_model(telling)
    assert replica.put("w1", model, environ={"PLAIN": "plain"}, secrets={"API_KEY": SECRET}).status == 202
    found = replica.wait("w1")
    assert found["state"] == "READY", found
    assert found["processes"][0]["start_method"] == "spawn"
    answer = replica.score("w1", [{"a": 1}, {"a": 1}])
    assert answer.json[0] == "plain"
    import hashlib

    assert answer.json[1] == hashlib.sha256(SECRET.encode()).hexdigest()
    refused = replica.score("w1", [{"a": 2}])
    assert refused.status == 400
    until(lambda: "cannot log in with" in replica.log("w1"), "the traceback is in the log")
    log = replica.log("w1")
    assert "using [secret] now" in log
    shown = [log, json.dumps(replica.control("GET", "/status").json), refused.body.decode()]
    shown += [path.read_text(errors="replace") for path in replica.root.rglob("*") if path.is_file() and path != model]
    for pid in children(replica.process.pid):
        shown += [command(pid).decode(errors="replace"), Path(f"/proc/{pid}/environ").read_text(errors="replace")]
    assert any("PLAIN=plain" in each for each in shown), "the environment of the process was looked at"
    assert not any("s3cret-of-the-test" in each for each in shown)


def test_a_model_that_cannot_load_does_not_tell_it_either(replica: Replica, save_model: Callable[..., Path]) -> None:
    def failing(frame: Any, params: Any) -> Any:
        import os

        raise ValueError(f"no answer from https://user:{os.environ['API_KEY']}@host")

    import pandas as pd

    model = save_model(failing, input_example=pd.DataFrame({"a": [1]}))
    replica.put("w1", model, secrets={"API_KEY": "s3cret-of-the-test"})
    found = replica.wait("w1")
    assert found["state"] == "FAILED"
    assert "[secret]" in json.dumps(found["failure"])
    assert "s3cret-of-the-test" not in json.dumps(found)


def test_the_same_worker_with_another_value_is_another_specification(
    replica: Replica, save_model: Callable[..., Path]
) -> None:
    model = save_model(telling)
    replica.put("w1", model, secrets={"API_KEY": "one-value"})
    assert replica.put("w1", model, secrets={"API_KEY": "one-value"}).status == 202
    refused = replica.put("w1", model, secrets={"API_KEY": "other-value"})
    assert refused.status == 409
    assert "value" not in refused.body.decode()
    assert replica.put("w2", model, secrets={"API_KEY": 1}).status == 400


@pytest.mark.req("REQ-197")
def test_lines_come_with_their_times_when_asked(replica: Replica, save_model: Callable[..., Path]) -> None:
    began = time.time()
    replica.put("w1", save_model(telling))
    replica.wait("w1")
    replica.score("w1", [{"a": 1}])
    until(lambda: "using" in replica.log("w1"), "the line has arrived")
    text = replica.control("GET", "/workers/w1/log?tail=100&times=yes").body.decode()
    stamps = [line.partition(" ")[0] for line in text.splitlines()]
    assert stamps == sorted(set(stamps))
    assert [line.partition(" ")[2] for line in text.splitlines()] == replica.log("w1").splitlines()
    from datetime import datetime

    assert began - 1 < datetime.fromisoformat(stamps[-1]).timestamp() < time.time() + 1
