"""The command line without daemons: usage, exit codes, texts, and the page that documents it."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_modelserve import launcher
from jupyter_modelserve.checked import Check, CheckState
from jupyter_modelserve.cli import logs, main, parser, status
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import NotRunning
from jupyter_modelserve.launcher import identity
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import (
    Cause,
    DaemonStatus,
    Endpoint,
    EndpointSpec,
    EndpointStatus,
    Failure,
    Instance,
    InstanceStatus,
    MergedLog,
    SecretKeyRotation,
    ServiceState,
    UpdateState,
)
from tests.unit.client import samples

ROOT = Path(__file__).parents[3]


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    home = Path(tempfile.mkdtemp(prefix="ms-"))
    monkeypatch.setenv("MODELSERVE_HOME", str(home))
    for name in ("MODELSERVE_URL", "MODELSERVE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield Paths(home)
    shutil.rmtree(home)


@pytest.mark.parametrize("arguments", [[], ["fly"], ["up", "--port", "x"], ["token", "create", "--lifetime", "soon"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: jupyter modelserve" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["token"], ["token", "list"], ["token", "create"], ["token", "revoke", "x"], ["logs", "iris"]]
)
def test_without_an_instance_one_line_says_what_to_do(
    paths: Paths, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "jupyter modelserve up" in err


def test_status_without_an_instance(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    assert capsys.readouterr().out == "not running; start it with `jupyter modelserve up`\n"
    paths.create()
    known = identity.settle(paths, 23456)
    assert main(["status"]) == 1
    assert known.url in capsys.readouterr().out
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"status": None, "endpoints": [], "url": known.url}


def test_down_without_an_instance_is_no_error(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down"]) == 0
    assert capsys.readouterr().out == "nothing was running\n"


def test_a_failure_of_the_launcher_is_one_line(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Instance:
        raise NotRunning("the gateway ended at start")

    monkeypatch.setattr(launcher, "ensure", fail)
    assert main(["up"]) == 1
    assert capsys.readouterr().err == "error: the gateway ended at start\n"


def test_a_failure_says_what_to_do_where_that_is_known(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Instance:
        raise NotRunning("no such region: mars", details={"hint": "the log has the whole traceback"})

    monkeypatch.setattr(launcher, "ensure", fail)
    assert main(["up"]) == 1
    assert capsys.readouterr().err == "error: no such region: mars\nhint: the log has the whole traceback\n"


def test_token_prints_the_token_and_nothing_else(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    paths.create()
    identity.ensure_token(paths)
    assert main(["token", "show"]) == 0
    assert capsys.readouterr().out == paths.token_file.read_text()


def test_status_shows_one_thing_and_aligned_endpoints(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fake(Client):
        def __init__(self) -> None: ...

        def close(self) -> None: ...

        def status(self) -> InstanceStatus:
            running = DaemonStatus("running", 1, int(time.time() * 1000) - 7200_000)
            return InstanceStatus(
                "http://127.0.0.1:1", "i", "1.0", running, running, DaemonStatus("starting"), 2, "process", "None: x"
            )

        def endpoints(self) -> list[Endpoint]:
            good = EndpointStatus(ServiceState.READY, "", UpdateState.NOT_UPDATING, urls=("http://a/1", "http://a/2"))
            bad = EndpointStatus(ServiceState.FAILED, "missing module xgboost", UpdateState.UPDATE_FAILED)
            old = EndpointStatus(ServiceState.READY, "Ready", UpdateState.UPDATE_FAILED, "iris version 2: no region")
            return [
                Endpoint(EndpointSpec("iris", ()), 1, 0, 0, "ada", good),
                Endpoint(EndpointSpec("a-longer-name", ()), 1, 0, 0, "ada", bad),
                Endpoint(EndpointSpec("old", ()), 1, 0, 0, "ada", old),
            ]

    monkeypatch.setattr(launcher, "find", lambda _: Instance("i", 1, "n"))
    monkeypatch.setattr("jupyter_modelserve.cli.connection.connect", Fake)
    assert main(["status"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "running, but MLflow starting at http://127.0.0.1:1",
        "  version 1.0, up 2 h",
        "  process engine; isolation: none: x",
        "iris           READY   NOT_UPDATING   http://a/1",
        "                                      http://a/2",
        "a-longer-name  FAILED  UPDATE_FAILED",
        "                                      missing module xgboost",
        "old            READY   UPDATE_FAILED",
        "                                      iris version 2: no region",
    ]
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["endpoints"][0]["spec"]["name"] == "iris"


def test_up_times_are_readable() -> None:
    now = int(time.time() * 1000)
    found = [status._ago(now - seconds * 1000) for seconds in (5, 90, 7200, 200000)]
    assert found == ["5 s", "1 min", "2 h", "2 d"]


def test_logs_show_the_last_lines_of_each_daemon(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    paths.create()
    (paths.logs / "gateway.log").write_text("one\ntwo\nthree\n")
    (paths.logs / "mlflow.log").write_text("m\n")
    assert main(["logs", "gateway", "-n", "2"]) == 0
    assert capsys.readouterr().out == "two\nthree\n"
    assert main(["logs", "-n", "1"]) == 0
    assert capsys.readouterr().out == "gateway     three\nmlflow      m\n"


def test_follow_prints_complete_lines_once_and_survives_rotation(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    paths.create()
    log = paths.logs / "gateway.log"
    log.write_text("old\n")
    seen = logs._news("gateway", log, 4, many=False)
    log.write_text("old\nnew\nhal")
    seen = logs._news("gateway", log, seen, many=False)
    log.write_text("old\nnew\nhalf\n")
    seen = logs._news("gateway", log, seen, many=False)
    log.write_text("z\n")
    assert logs._news("gateway", log, seen, many=False) == 2
    assert capsys.readouterr().out == "new\nhalf\nz\n"


@pytest.mark.req("REQ-197")
def test_endpoint_logs_are_merged_and_followed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, str]] = []

    class Fake(Client):
        def __init__(self) -> None: ...

        def close(self) -> None: ...

        def merged_logs(
            self, name: str, model: str = "", version: str = "", replica: str = "", tail: int = 200, after: str = ""
        ) -> MergedLog:
            asked.append((f"{name} {model} {version} {replica}", tail, after))
            if len(asked) == 3:
                raise KeyboardInterrupt
            return MergedLog(f"aaaaaaaa iris/1  line {len(asked)}\n", (), f"cursor {len(asked)}")

    monkeypatch.setattr("jupyter_modelserve.cli.connection.connect", Fake)
    monkeypatch.setattr(logs, "_ENDPOINT_PAUSE_S", 0.0)
    assert main(["logs", "iris", "-f", "-n", "7", "--version", "1", "--replica", "aa"]) == 1
    assert capsys.readouterr().out == "aaaaaaaa iris/1  line 1\naaaaaaaa iris/1  line 2\n"
    assert asked == [("iris  1 aa", 7, ""), ("iris  1 aa", 10_000, "cursor 1"), ("iris  1 aa", 10_000, "cursor 2")]


@pytest.mark.req("REQ-133")
def test_the_calculator(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "1000", "0.2"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "200 requests at a time: 4 replicas of size Large"
    assert main(["size", "30", "0.1", "--json"]) == 0
    expected = {"concurrency": 3, "workload_size": "Small", "replicas": 1, "memory_gb": 16}
    assert json.loads(capsys.readouterr().out) == expected
    assert main(["size", "30", "0"]) == 1
    assert "seconds: must be more than 0" in capsys.readouterr().err


@pytest.mark.req("REQ-140")
def test_a_secret_is_read_from_a_pipe_and_never_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, ...]] = []

    class Fake(Client):
        def __init__(self) -> None: ...

        def close(self) -> None: ...

        def put_secret(self, name: str, secret: str, value: str) -> Endpoint:
            given.append((name, secret, value))
            return Endpoint(EndpointSpec(name, ()), 1, 0, 0, "ada", EndpointStatus())

        def delete_secret(self, name: str, secret: str) -> Endpoint:
            given.append((name, secret))
            return Endpoint(EndpointSpec(name, ()), 1, 0, 0, "ada", EndpointStatus())

    monkeypatch.setattr("jupyter_modelserve.cli.secret.connect", Fake)
    monkeypatch.setattr("sys.stdin", io.StringIO("piped-value\n"))
    assert main(["secret", "set", "iris", "KEY"]) == 0
    assert main(["secret", "set", "iris", "KEY"]) == 1
    assert main(["secret", "remove", "iris", "KEY"]) == 0
    assert given == [("iris", "KEY", "piped-value"), ("iris", "KEY")]
    printed = capsys.readouterr()
    assert "piped-value" not in printed.out + printed.err


@pytest.mark.req("REQ-140")
def test_a_new_key_of_secrets_says_what_must_be_set_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [SecretKeyRotation("k2", 3, (), ("k1",)), SecretKeyRotation("k3", 1, ("iris/KEY",))]

    class Fake(Client):
        def __init__(self) -> None: ...

        def close(self) -> None: ...

        def rotate_secret_key(self) -> SecretKeyRotation:
            return answers.pop(0)

    monkeypatch.setattr("jupyter_modelserve.cli.secret.connect", Fake)
    assert main(["secret", "rotate-key"]) == 0
    printed = capsys.readouterr().out
    assert "3 secrets that had another key are sealed under key k2 now" in printed
    assert "may be removed from the key file: k1" in printed
    assert main(["secret", "rotate-key"]) == 1
    assert "set it again: jupyter modelserve secret set iris KEY" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43200), ("30d", 2592000)])
def test_durations(text: str, seconds: int) -> None:
    assert parser.duration(text) == seconds


def test_the_page_matches_the_parser() -> None:
    specification = importlib.util.spec_from_file_location("docs_cli", ROOT / "scripts" / "docs_cli.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert page == module.render(), "run: python scripts/docs_cli.py"
    for command in ("up", "down", "status", "logs", "doctor", "token", "token create", "token revoke"):
        assert f"# {command}\n" in page


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from jupyter_modelserve.cli.parser import build; build().format_help(); "
        "print(sorted({'httpx','pydantic','mlflow','pandas','sqlalchemy','fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.req("REQ-125", "REQ-127")
def test_a_check_says_by_its_exit_code_whether_the_model_would_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instance = samples.Instance()
    monkeypatch.setattr("jupyter_modelserve.cli.check.connect", instance.client)
    running = Check("c1", "iris", "1", "models:/m-1", CheckState.RUNNING, 1)
    failed = replace(running, state=CheckState.FAILED, failure=Failure(Cause.LOAD_FAILED, "it does not load"))
    instance.checks = [running, failed]
    assert main(["check", "iris@Champion", "--requirement", "tqdm"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("iris version 1 failed")
    assert err.splitlines() == ["check of iris 1: running", "check of iris 1: failed"]
    instance.checks = [replace(running, state=CheckState.PASSED)]
    assert main(["check", "iris/1", "--json"]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["passed"], err) == (True, "")
