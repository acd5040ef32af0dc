"""What decides whether a worker is forked, and whether a zygote is still true; and the collector of children."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.replica.parent.environ import worker_environ, zygote_environ
from jupyter_modelserve.replica.parent.forkable import judge
from jupyter_modelserve.replica.parent.reaper import Reaper
from jupyter_modelserve.replica.zygote import stamps, warming
from tests.unit.replica import models


def spec(directory: Path, **environ: str) -> dict[str, Any]:
    return {"directory": str(directory), "environ": environ}


def test_a_saved_model_is_forkable(tmp_path: Path) -> None:
    found = judge(spec(models.save_iris(tmp_path / "model")))
    assert (found.reason, found.flavors, found.modules) == ("", ["mlflow.sklearn", "cloudpickle"], [])


def test_files_that_are_not_there_say_nothing(tmp_path: Path) -> None:
    assert judge(spec(tmp_path / "nothing")).reason == ""


@pytest.mark.parametrize(
    ("loader", "requirements", "named"),
    [
        ("mlflow.tensorflow", "", "tensorflow"),
        ("mlflow.pytorch", "", "pytorch"),
        ("mlflow.sklearn", "numpy\ntorch==2.1\n", "torch"),
        ("mlflow.sklearn", "scikit-learn\nTensorFlow-CPU==2\n", "tensorflow_cpu"),
        ("mlflow.pyfunc.model", "polars\n", "polars"),
        ("mlflow.pyfunc.model", "mlflow\nsentence-transformers>2\n", "sentence_transformers"),
        ("mlflow.sklearn", "scikit-learn\ntorchlike\npolarsbear\n", ""),
    ],
)
def test_what_does_not_survive_a_fork_is_named(tmp_path: Path, loader: str, requirements: str, named: str) -> None:
    (tmp_path / "MLmodel").write_text(f"flavors:\n  python_function:\n    loader_module: {loader}\n")
    (tmp_path / "requirements.txt").write_text(requirements)
    reason = judge(spec(tmp_path)).reason
    assert reason == (f"{named} does not survive a fork" if named else "")


def test_requirements_may_stand_in_conda_yaml_only(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: x\n")
    (tmp_path / "conda.yaml").write_text("dependencies:\n- python=3.8\n- pip:\n  - jax==0.4\n")
    assert judge(spec(tmp_path)).reason == "jax does not survive a fork"


def test_variables_of_its_own_are_read_too_early_for_a_fork(tmp_path: Path) -> None:
    assert judge(spec(tmp_path, TZ="UTC")).reason == "it has variables of its own"


def test_modules_of_the_code_directory_are_listed(tmp_path: Path) -> None:
    text = "flavors:\n  python_function:\n    code: code\n    loader_module: 'own'\n  sklearn:\n    code: null\n"
    (tmp_path / "MLmodel").write_text(text)
    (tmp_path / "code" / "package").mkdir(parents=True)
    (tmp_path / "code" / "own.py").write_text("")
    (tmp_path / "code" / "native.cpython-311.so").write_text("")
    (tmp_path / "code" / "__pycache__").mkdir()
    found = judge(spec(tmp_path))
    assert (found.flavors, found.modules) == (["own"], ["native", "own", "package"])


def test_the_zygotes_variables_are_a_workers_and_start_no_thread() -> None:
    inherited = {"OMP_NUM_THREADS": "8", "MKL_NUM_THREADS": "8", "A_TOKEN": "x", "PYTHONPATH": "/x", "LANG": "C"}
    found = zygote_environ(inherited)
    assert {found[name] for name in found if name.endswith("_THREADS")} == {"1"}
    assert found["JE_ARROW_MALLOC_CONF"] == "background_thread:false"
    worker = worker_environ(inherited, {})
    assert (worker["OMP_NUM_THREADS"], worker["MKL_NUM_THREADS"]) == ("8", "8")
    assert worker.keys() <= found.keys()
    assert "A_TOKEN" not in found
    assert "PYTHONPATH" not in found


def test_stamps_notice_installations_and_edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "stamped_module.py"
    module.write_text("A = 1\n")
    found = stamps.Stamps()
    __import__("stamped_module")
    # The import itself may have made a directory for byte code.
    found = stamps.Stamps() if found.changed() else found
    found._before.discard("stamped_module")
    found.take_modules()
    assert found.changed() == ""
    module.write_text("A = 12\n")
    assert found.changed() == f"{module} has changed"
    found = stamps.Stamps()
    (tmp_path / "new-1.0.dist-info").mkdir()
    assert found.changed() == f"{tmp_path} has changed"
    del sys.modules["stamped_module"]


def test_looking_at_the_stamps_is_quick() -> None:
    found = stamps.Stamps()
    found._before.clear()
    found.take_modules()
    begin = time.process_time()
    assert found.changed() == ""
    spent = time.process_time() - begin
    print(f"\n{len(found._files)} files in {spent * 1000:.1f} ms")
    assert spent < 1


def test_missing_libraries_are_left_out_and_broken_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_library.py").write_text("import not_there_at_all\n")
    (tmp_path / "small_library").mkdir()
    (tmp_path / "small_library" / "__init__.py").write_text("")
    warming._import("not_there_at_all")
    warming._import("not_there.at.all")
    warming._import("small_library.part")
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        warming._import("broken_library")


async def test_the_reaper_tells_children_apart() -> None:
    reaper = Reaper()
    reaper.start()
    try:
        quick = subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"])
        slow = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        quick.returncode = slow.returncode = 0  # Popen must not wait.
        waiting = asyncio.ensure_future(reaper.wait(slow.pid))
        # The first has ended and was collected before anybody asked for it.
        while quick.pid not in reaper._ended:
            await asyncio.sleep(0.01)
        assert await reaper.wait(quick.pid) == 7
        assert not waiting.done()
        os.kill(slow.pid, signal.SIGTERM)
        assert await asyncio.wait_for(waiting, 30) == -signal.SIGTERM
        with pytest.raises(ChildProcessError):
            await reaper.wait(slow.pid)
    finally:
        reaper.stop()
