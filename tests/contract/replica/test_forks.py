"""A forked worker cannot be told from a spawned one, and nothing depends on the zygote."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.replica.conftest import FORKS, Replica, children, is_running, name, until
from tests.contract.replica.test_failures import echo, with_loader
from tests.unit.replica.models import IRIS, ROW

RECORD = dict(zip(IRIS, ROW, strict=True))
pytestmark = pytest.mark.skipif(not FORKS, reason="only Linux forks")


@pytest.fixture
def start_method() -> str:
    """These are about forks; what holds for both is in the other files."""
    return "fork"


@pytest.fixture
def replica(make_replica: Callable[..., Replica]) -> Replica:
    """One of its own: what happens to its zygote is what these are about."""
    return make_replica()


def method(status: dict[str, Any]) -> str:
    """How lane 0 of a version was started."""
    found: str = status["processes"][0]["start_method"]
    return found


def descriptors(pid: int) -> dict[int, str]:
    """Open descriptors by number and what they are."""
    directory = Path(f"/proc/{pid}/fd")
    found = {}
    for entry in directory.iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except OSError:
            continue
    return found


def test_a_forked_worker_is_the_parents_own_child(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    status = replica.wait("w1")
    assert (status["state"], method(status)) == ("READY", "fork")
    assert status["pid"] in children(replica.process.pid)
    assert name(status["pid"]) == "worker w1"
    assert os.getpgid(status["pid"]) == replica.process.pid
    os.kill(status["pid"], signal.SIGSEGV)
    until(lambda: replica.worker("w1")["restarts"] == 1, "the death is noticed")
    assert "signal 11" in replica.worker("w1")["last_exit"]
    again = replica.wait("w1")
    assert (again["state"], method(again)) == ("READY", "fork")


def test_a_forked_worker_inherits_no_descriptor(replica: Replica, iris_model: Path) -> None:
    for worker in ("w1", "w2"):
        replica.put(worker, iris_model)
    first, second = (descriptors(replica.wait(worker)["pid"]) for worker in ("w1", "w2"))
    parent = descriptors(replica.process.pid)
    zygote = descriptors(replica.zygote() or 0)
    assert not any("parent.lock" in target for target in second.values())
    control = {target for number, target in zygote.items() if number > 2 and target.startswith("socket")}
    assert control
    assert not control & set(second.values())
    private = {target for target in first.values() if not target.startswith(("/", "anon_inode"))}
    assert private
    assert not private & set(second.values())
    # Of what the parent has open, a worker has the other ends of its three pipes only.
    shared = {target for target in parent.values() if not target.startswith(("/", "anon_inode"))}
    assert len(shared & set(second.values())) == 3


def test_a_forked_worker_finds_what_a_spawned_one_finds(
    make_replica: Callable[..., Replica], save_model: Callable[..., Path]
) -> None:
    def look(data: Any, params: Any) -> Any:
        import faulthandler
        import gc
        import locale
        import os
        import resource
        import signal
        import sys
        import threading
        from pathlib import Path

        # It sets variables when it is imported, which the zygote has done.
        import sklearn

        assert sklearn
        mask = os.umask(0)
        os.umask(mask)
        process = Path("/proc/self")
        main = sys.modules["__main__"]
        return {
            "argv": [word.replace("replica0", "replica1") for word in sys.argv],
            "path": sys.path,
            "main": [main.__name__, main.__file__],
            "cwd": str(Path.cwd()).replace("replica0", "replica1"),
            "umask": mask,
            "environ": dict(os.environ),
            "signals": {str(each): str(signal.getsignal(each)) for each in signal.valid_signals()},
            "blocked": [str(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
            "limits": [resource.getrlimit(getattr(resource, each)) for each in dir(resource) if each[:7] == "RLIMIT_"],
            "locale": [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), sys.stdout.encoding],
            "streams": [
                sys.stdout.fileno(),
                sys.stderr.fileno(),
                str((process / "fd" / "0").readlink()),
                sys.stdin.fileno(),
            ],
            "python": [sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold()],
            "faulthandler": faulthandler.is_enabled(),
            "group": os.getpgid(0) == os.getsid(0) == os.getppid(),
            "nice": os.nice(0),
            "threads": sorted(each.name for each in threading.enumerate()),
            "prefix": [sys.prefix, sys.executable, sys.flags.dev_mode, list(sys.warnoptions)],
            "children": (process / "task" / str(os.getpid()) / "children").read_text(),
        }

    directory = save_model(look)
    found = {}
    for wanted in ("fork", "spawn"):
        replica = make_replica(start_method=wanted)
        replica.put("w1", directory)
        assert method(replica.wait("w1")) == wanted
        found[wanted] = replica.score("w1", [{"a": 1}]).json
    for key, value in found["spawn"].items():
        assert found["fork"][key] == value, key


def test_a_hundred_forks_leave_nothing_behind(replica: Replica, tmp_path: Path) -> None:
    replica.put("first", tmp_path / "nothing")
    assert replica.wait("first")["state"] == "FAILED"
    zygote = replica.zygote()
    assert zygote

    def counts() -> tuple[int, int, int]:
        return (
            len(descriptors(replica.process.pid)),
            len(descriptors(zygote)),
            len(children(replica.process.pid)),
        )

    before = counts()
    for start in range(0, 100, 4):
        workers = [f"w{number}" for number in range(start, start + 4)]
        for worker in workers:
            replica.put(worker, tmp_path / "nothing")
        for worker in workers:
            assert replica.wait(worker)["failure"]["cause"] == "artifacts missing"
            replica.control("DELETE", f"/workers/{worker}?grace=0")
    until(lambda: list(replica.control("GET", "/status").json["workers"]) == ["first"], "all are forgotten")
    until(lambda: counts() <= before, f"back to {before}")
    assert replica.zygote() == zygote


def test_workers_outlive_the_zygote_and_a_new_one_comes(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    pid = replica.wait("w1")["pid"]
    zygote = replica.zygote()
    assert zygote
    os.kill(zygote, signal.SIGKILL)
    until(lambda: replica.zygote() not in {None, zygote}, "another zygote boots")
    assert replica.score("w1", [RECORD]).json == [0]
    replica.put("w2", iris_model)
    status = replica.wait("w2")
    assert (status["state"], method(status)) == ("READY", "fork")
    assert replica.worker("w1")["pid"] == pid


def test_nothing_outlives_a_killed_parent(replica: Replica, iris_model: Path) -> None:
    replica.put("w1", iris_model)
    left = [replica.wait("w1")["pid"], replica.zygote() or 0]
    os.kill(replica.process.pid, signal.SIGKILL)
    replica.process.wait()
    until(lambda: not any(is_running(pid) for pid in left), "worker and zygote end", deadline=5)


def test_what_a_model_leaves_behind_is_collected(replica: Replica, save_model: Callable[..., Path]) -> None:
    def leave(data: Any, params: Any) -> Any:
        import os
        import subprocess
        import sys

        orphan = "import os, time\nif os.fork(): os._exit(0)\ntime.sleep(0.2)"
        subprocess.run([sys.executable, "-c", orphan], check=True)
        return [os.getpid()]

    replica.put("w1", save_model(leave))
    replica.wait("w1")
    assert replica.score("w1", [{"a": 1}]).status == 200
    expected = {replica.worker("w1")["pid"], replica.zygote()}
    until(lambda: set(children(replica.process.pid)) == expected, "no zombie stays")


def test_random_numbers_differ_between_forks(replica: Replica, save_model: Callable[..., Path]) -> None:
    def draw(data: Any, params: Any) -> Any:
        import random
        import uuid

        import numpy as np

        return [random.random(), float(np.random.rand()), float(np.random.default_rng().random()), str(uuid.uuid4())]

    directory = save_model(draw)
    drawn = []
    for worker in ("w1", "w2"):
        replica.put(worker, directory)
        assert method(replica.wait(worker)) == "fork"
        drawn.append(replica.score(worker, [{"a": 1}]).json)
    assert not set(drawn[0]) & set(drawn[1])


def test_the_number_of_threads_is_the_workers(
    make_replica: Callable[..., Replica], save_model: Callable[..., Path]
) -> None:
    def look(data: Any, params: Any) -> Any:
        import os
        from importlib import import_module

        threadpoolctl = import_module("threadpoolctl")

        return {
            "threads": [each["num_threads"] for each in threadpoolctl.threadpool_info()],
            "environ": [os.environ.get(name) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")],
            "allocator": os.environ.get("JE_ARROW_MALLOC_CONF"),
        }

    directory = save_model(look)
    for wanted in ("1", "2"):
        replica = make_replica(OMP_NUM_THREADS=wanted)
        replica.put("w1", directory)
        assert method(replica.wait("w1")) == "fork"
        found = replica.score("w1", [{"a": 1}]).json
        assert set(found["threads"]) == {int(wanted)}
        # The zygote's own variables stay with it.
        assert (found["environ"], found["allocator"]) == ([wanted, None], None)


def test_a_module_called_like_a_loaded_one_is_the_models_own(
    replica: Replica, save_model: Callable[..., Path], tmp_path: Path
) -> None:
    def use(data: Any, params: Any) -> Any:
        from importlib import import_module

        return [import_module("joblib").NAME]

    (tmp_path / "joblib.py").write_text("NAME = 'mine'\n")
    replica.put("w1", save_model(use, code_paths=[str(tmp_path / "joblib.py")]))
    status = replica.wait("w1")
    assert (status["state"], method(status)) == ("READY", "spawn")
    assert replica.score("w1", [{"a": 1}]).json == ["mine"]


@pytest.mark.parametrize("requirement", ["torch==2.4.0", "tensorflow-cpu", "polars>=1"])
def test_what_does_not_survive_a_fork_is_spawned(
    replica: Replica, save_model: Callable[..., Path], requirement: str
) -> None:
    directory = save_model(echo)
    with (directory / "requirements.txt").open("a") as stream:
        stream.write(f"\n{requirement}\n")
    replica.put("w1", directory)
    status = replica.wait("w1")
    assert (status["state"], method(status)) == ("READY", "spawn")
    assert "does not survive a fork" in replica.log("w1")


def test_variables_of_its_own_are_there_from_the_beginning(replica: Replica, save_model: Callable[..., Path]) -> None:
    replica.put("w1", save_model(echo), environ={"MPLBACKEND": "agg"})
    assert method(replica.wait("w1")) == "spawn"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment that sees this one's packages behind its own; returns its interpreter."""
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    own = next(home.glob("lib/python*/site-packages"))
    (own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin" / "python"


def packages(python: Path) -> Path:
    """Where an environment's packages lie."""
    return next(python.parent.parent.glob("lib/python*/site-packages"))


def save_same(save_model: Callable[..., Path]) -> Path:
    """A model that needs no module of the tests."""

    def same(data: Any, params: Any) -> Any:
        return data

    return save_model(same)


def with_format(directory: Path) -> Path:
    """Say that the model needs skops, which the zygote then imports for it."""
    text = (directory / "MLmodel").read_text()
    (directory / "MLmodel").write_text(
        text.replace("flavors:", "flavors:\n  sklearn:\n    serialization_format: skops")
    )
    return directory


def fake_skops(python: Path, source: str) -> None:
    """Put a skops of our own into an environment."""
    home = packages(python) / "skops"
    home.mkdir(exist_ok=True)
    (home / "__init__.py").write_text("")
    (home / "io.py").write_text(source)


def test_an_environment_that_changed_is_imported_anew(
    make_replica: Callable[..., Replica], environment: Path, save_model: Callable[..., Path]
) -> None:
    def look(data: Any, params: Any) -> Any:
        import sys
        from importlib import import_module

        return [import_module("skops.io").VERSION, sys.prefix]

    directory = with_format(save_model(look))
    fake_skops(environment, "VERSION = 1\n")
    replica = make_replica(python=str(environment))
    replica.put("w1", directory)
    assert method(replica.wait("w1")) == "fork"
    before = replica.zygote()
    fake_skops(environment, "VERSION = 22\n")
    replica.put("w2", directory)
    assert method(replica.wait("w2")) == "fork"
    after = replica.zygote()
    assert after not in {None, before}
    (packages(environment) / "something-1.0.dist-info").mkdir()
    replica.put("w3", directory)
    assert method(replica.wait("w3")) == "fork"
    assert replica.zygote() not in {None, before, after}
    prefix = str(environment.parent.parent)
    assert [replica.score(worker, [{"a": 1}]).json for worker in ("w1", "w2", "w3")] == [
        [1, prefix],
        [22, prefix],
        [22, prefix],
    ]


BREAK = """
import sys

class Breaking:
    def find_spec(self, name, path=None, target=None):
        if name == "joblib":
            raise RuntimeError("broken installation")

sys.meta_path.insert(0, Breaking())
"""
THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BREAK, "warming failed (RuntimeError: broken installation)"),
        (THREAD, "a library has started threads"),
    ],
    ids=["broken", "threads"],
)
def test_an_environment_that_cannot_be_forked_is_spawned(
    make_replica: Callable[..., Replica],
    environment: Path,
    save_model: Callable[..., Path],
    source: str,
    reason: str,
) -> None:
    text = "import sys\nif 'zygote' in sys.orig_argv:\n" + source.strip().replace("\n", "\n    ").join(["    ", "\n"])
    (packages(environment) / "sitecustomize.py").write_text(text)
    replica = make_replica(python=str(environment))
    replica.put("w1", save_same(save_model))
    status = replica.wait("w1")
    assert (status["state"], method(status)) == ("READY", "spawn")
    assert replica.control("GET", "/status").json["start_method"] == "spawn"
    assert reason in (replica.root / "parent.log").read_text()
    assert replica.zygote() is None


@pytest.mark.parametrize("source", ["raise RuntimeError", THREAD], ids=["broken", "threads"])
def test_a_flavour_that_cannot_be_forked_is_spawned(
    make_replica: Callable[..., Replica], environment: Path, save_model: Callable[..., Path], source: str
) -> None:
    fake_skops(environment, source)
    replica = make_replica(python=str(environment))
    directory = save_same(save_model)
    replica.put("w1", directory)
    assert method(replica.wait("w1")) == "fork"
    replica.put("w2", with_format(save_same(save_model)))
    assert method(replica.wait("w2")) == "spawn"
    # The zygote that had imported it is no more; the next one forks what does not need it.
    zygote = until(replica.zygote, "another zygote boots")
    replica.put("w3", directory)
    assert method(replica.wait("w3")) == "fork"
    replica.put("w4", with_format(save_same(save_model)))
    assert method(replica.wait("w4")) == "spawn"
    assert replica.zygote() == zygote


def test_a_loader_with_a_module_of_its_own_is_forked(replica: Replica, save_model: Callable[..., Path]) -> None:
    """Its loader fails in the worker, never in the zygote."""
    replica.put("w1", with_loader(save_model(echo), "import os\nos._exit(3)"))
    status = replica.wait("w1")
    assert (status["state"], status["failure"]["cause"]) == ("FAILED", "crashed")
    zygote = replica.zygote()
    replica.put("w2", save_model(echo))
    assert method(replica.wait("w2")) == "fork"
    assert replica.zygote() == zygote
