"""The parts of the extension that need no server: headers, bodies, hints, variables, activity, cost of import."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve import locks
from jupyter_modelserve.errors import Unavailable
from jupyter_modelserve.lab import headers
from jupyter_modelserve.lab.activity import served
from jupyter_modelserve.lab.body import Body
from jupyter_modelserve.lab.extension import EVENT_SCHEMA
from jupyter_modelserve.lab.surroundings import Surroundings
from jupyter_modelserve.lab.watch import INTEREST_SECONDS, SCHEMA_ID, Watcher
from jupyter_modelserve.settings import Paths

IMPORT_SECONDS = 0.1
HEAVY = ("httpx", "mlflow", "pandas", "numpy", "docker", "fastapi", "sqlalchemy")


def test_the_import_is_cheap_for_a_jupyter_server() -> None:
    """Jupyter Server waits for it and complains above 0.1 s; the best of three, for other work on the machine."""
    code = (
        "import sys, time, jupyter_server.serverapp; began = time.perf_counter(); import jupyter_modelserve as m; "
        "m._jupyter_server_extension_points(); seconds = time.perf_counter() - began; "
        f"print(seconds, *(name for name in {HEAVY!r} if name in sys.modules))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        for _ in range(3)
    ]
    assert min(float(each[0]) for each in runs) < IMPORT_SECONDS
    assert runs[0][1:] == []


# ---------------------------------------------------------------------------------------------------- headers
def test_the_caller_cannot_send_a_header_of_ours_or_of_jupyter() -> None:
    given = [
        ("Authorization", "token jupyter"), ("Cookie", "a=b"), ("X-ModelServe-Principal", "root"), ("Host", "h"),
        ("X-Forwarded-For", "1"), ("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Origin", "http://x"),
        ("Content-Type", "text/csv"), ("Content-Length", "3"), ("Transfer-Encoding", "chunked"), ("Expect", "100"),
    ]  # fmt: skip
    assert headers.outgoing(given, "ms_x") == [
        ("content-type", "text/csv"),
        ("content-length", "3"),
        ("accept-encoding", "identity"),
        ("authorization", "Bearer ms_x"),
    ]


def test_the_answer_loses_what_belongs_to_one_connection() -> None:
    given = [
        ("Set-Cookie", "a"), ("Server", "x"), ("Access-Control-Allow-Origin", "*"), ("Transfer-Encoding", "chunked"),
        ("Warning", "a"), ("Warning", "b"), ("Content-Length", "3"), ("WWW-Authenticate", "Bearer"),
    ]  # fmt: skip
    assert headers.incoming(given) == [("warning", "a"), ("warning", "b"), ("content-length", "3")]


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("", ""),
        ("after=3", "after=3"),
        ("token=x&after=3&_xsrf=y", "after=3"),
        ("%74oken=x&a=%2F", "a=%2F"),
        ("no_track_activity=1&flag", "flag"),
    ],
)
def test_a_token_in_an_address_does_not_travel_on(raw: str, kept: str) -> None:
    assert headers.query(raw) == kept


# ---------------------------------------------------------------------------------------------------- bodies
async def test_a_body_waits_for_who_reads_it() -> None:
    body = Body()

    async def fill() -> None:
        for number in range(100):
            await body.put(b"%d," % number)
        await body.put(None)

    filling = asyncio.create_task(fill())
    await asyncio.sleep(0)
    assert not filling.done()
    assert b"".join([piece async for piece in body.pieces()]) == b"".join(b"%d," % number for number in range(100))
    await filling


async def test_a_body_that_nobody_reads_does_not_block() -> None:
    body = Body()

    async def fill() -> None:
        for _ in range(100):
            await body.put(b"x")

    filling = asyncio.create_task(fill())
    await asyncio.sleep(0)
    body.ignore()
    await asyncio.wait_for(filling, 5)


# ---------------------------------------------------------------------------------------------------- hints
class Followed:
    """A service whose state a test changes."""

    def __init__(self) -> None:
        self.idle_seconds = 0.0
        self.endpoints: dict[str, int] = {}
        self.running = True
        self.failing = False
        self.looks = 0

    async def status(self) -> dict[str, Any]:
        self.looks += 1
        if self.failing:
            raise Unavailable("not now")
        found = [{"spec": {"name": name}, "generation": number} for name, number in self.endpoints.items()]
        instance = {"instance_id": "i", "gateway": {"state": "running", "pid": self.looks}} if self.running else None
        return {"running": self.running, "instance": instance, "endpoints": found if self.running else []}


async def test_hints_name_what_changed_and_nothing_else() -> None:
    service, hints = Followed(), list[dict[str, Any]]()
    watcher = Watcher(service, hints.append)
    service.endpoints = {"a": 1, "b": 1}
    await watcher.look()
    await watcher.look()
    assert hints == []
    service.endpoints = {"a": 2, "c": 1}
    await watcher.look()
    assert hints == [{"endpoint": name, "revision": number} for name, number in (("a", 1), ("b", 2), ("c", 3))]
    service.failing = True
    await watcher.look()
    service.failing, service.running = False, False
    await watcher.look()
    assert [each["endpoint"] for each in hints[3:]] == ["", "a", "c"]


async def test_nobody_interested_means_no_look() -> None:
    service = Followed()
    service.idle_seconds = INTEREST_SECONDS + 1
    turns = 0

    async def sleep(seconds: float) -> None:
        nonlocal turns
        turns += 1
        if turns == 3:
            service.idle_seconds = 0.0
        if turns == 5:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Watcher(service, print, sleep).run()
    assert service.looks == 2


def test_a_hint_fits_its_schema_and_state_does_not() -> None:
    from jupyter_events import EventLogger
    from jupyter_events.validators import ValidationError  # type: ignore[attr-defined]

    logger = EventLogger()
    logger.register_event_schema(EVENT_SCHEMA)
    assert str(logger.schemas.get(SCHEMA_ID).version) == "1"
    logger.emit(schema_id=SCHEMA_ID, data={"endpoint": "", "revision": 1})
    with pytest.raises(ValidationError):
        logger.schemas.get(SCHEMA_ID).validate({"endpoint": "a", "revision": 1, "status": "READY"})


# ---------------------------------------------------------------------------------------------------- variables
def test_variables_are_set_and_put_back() -> None:
    environ = {"PATH": "x", "JUPYTER_MODELSERVE_INFO_FILE": "of-another-server", "JUPYTER_DATA_DIR": "/data"}
    before = dict(environ)
    found = Surroundings(environ)
    found.announce_server("/run/jpserver-1.json")
    found.announce_tracking("http://127.0.0.1:1")
    assert environ["MODELSERVE_HOME"].startswith("/")
    assert environ["JUPYTER_MODELSERVE_INFO_FILE"] == "/run/jpserver-1.json"
    assert (environ["MLFLOW_TRACKING_URI"], environ["MLFLOW_TRACKING_AUTH"]) == ("http://127.0.0.1:1", "modelserve")
    found.restore()
    assert environ == before
    found.restore()
    assert environ == before


def test_what_the_user_chose_stays() -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://theirs", "MODELSERVE_HOME": "/theirs"}
    found = Surroundings(environ)
    found.announce_server("/i")
    found.announce_tracking("http://ours")
    assert environ == {
        "MLFLOW_TRACKING_URI": "http://theirs",
        "MODELSERVE_HOME": "/theirs",
        "JUPYTER_MODELSERVE_INFO_FILE": "/i",
    }
    environ["JUPYTER_MODELSERVE_INFO_FILE"] = "/changed meanwhile"
    found.restore()
    assert environ["JUPYTER_MODELSERVE_INFO_FILE"] == "/changed meanwhile"


# ---------------------------------------------------------------------------------------------------- activity
def test_only_a_running_gateway_makes_a_server_busy(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert served(paths) == []
    paths.create()
    paths.routes_file.write_text(json.dumps({"routes": {"endpoints": {"b": [], "a": []}}}))
    assert served(paths) == []
    lock = locks.take(paths.lock("gateway"))
    assert lock is not None
    with lock:
        assert served(paths) == ["a", "b"]
        paths.routes_file.write_text("{")
        assert served(paths) == []
