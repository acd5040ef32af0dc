"""Sixteen clients register versions of one model and move its alias while processes are killed: nothing is lost.

``MODELSERVE_DURABILITY=100`` registers 16 × 100 versions instead of 16 × 10; the figures go to standard output.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from jupyter_modelserve.plugins.mlflow_files import PREFIX
from tests.support.instance import RunningInstance, started_instance

pytestmark = pytest.mark.slow
CLIENTS = 16
EACH = int(os.environ.get("MODELSERVE_DURABILITY", "10"))
KILLS = 3
NAME = "main.default.busy"
MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "double", "required": true}]'
"""


class Writer:
    """One client: it repeats what was not answered, as a person would."""

    def __init__(self, house: RunningInstance, source: str) -> None:
        self.http = httpx.Client(base_url=f"{house.url}/api/2.0/mlflow", headers=house.headers, timeout=60)
        self.source = source
        self.acknowledged: list[str] = []
        self.seconds: list[float] = []
        self.repeated = 0

    def _until_answered(self, operation: str, body: dict[str, str]) -> httpx.Response:
        until = time.monotonic() + 60
        while True:
            began = time.monotonic()
            try:
                answer = self.http.post(operation, json=body)
                if answer.status_code == 200:
                    self.seconds.append(time.monotonic() - began)
                    return answer
                assert answer.status_code in {502, 503, 504}, answer.text
            except httpx.HTTPError:
                pass
            assert time.monotonic() < until, "not answered for a minute"
            self.repeated += 1
            time.sleep(0.05)

    def run(self, count: int) -> None:
        """Register versions and let the alias follow."""
        for _ in range(count):
            body = {"name": NAME, "source": f"models:/{self.source}", "model_id": self.source}
            version = self._until_answered("/model-versions/create", body).json()["model_version"]["version"]
            self.acknowledged.append(version)
            alias = {"name": NAME, "alias": "Champion", "version": version}
            self._until_answered("/registered-models/alias", alias)
        self.http.close()


def _logged(house: RunningInstance) -> str:
    with httpx.Client(base_url=house.url, headers=house.headers, timeout=60) as http:
        run = http.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]["run_id"]
        body = {"experiment_id": "0", "name": "m", "source_run_id": run}
        made = str(http.post("/api/2.0/mlflow/logged-models", json=body).json()["model"]["info"]["model_id"])
        path = f"/api/2.0/mlflow-artifacts/artifacts/0/models/{made}/artifacts/MLmodel"
        assert http.put(path, content=MLMODEL.encode()).status_code == 200
        assert http.post("/api/2.0/mlflow/registered-models/create", json={"name": NAME}).status_code == 200
    return made


def _kill(house: RunningInstance, done: threading.Event) -> int:
    """kill -9 of MLflow's process and of the controller in turn, while the writers work."""
    killed = 0
    while killed < KILLS and not done.wait(1.5):
        with house.client() as client:
            if client.status().mlflow.state != "running":
                continue
            pid = client.status().mlflow.pid if killed % 2 == 0 else house.pid("controller")
        if pid:
            os.kill(pid, signal.SIGKILL)
            killed += 1
            house.wait_for_mlflow()
    return killed


@pytest.mark.timeout(300 + 12 * EACH)
def test_nothing_is_lost_and_everything_is_recorded_once() -> None:
    with started_instance("ms-dur-") as house:
        house.wait_for_mlflow()
        source = _logged(house)
        writers = [Writer(house, source) for _ in range(CLIENTS)]
        done = threading.Event()
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            killer = pool.submit(_kill, house, done)
            for future in [pool.submit(each.run, EACH) for each in writers]:
                future.result()
            done.set()
            killed = killer.result()
        house.wait_for_mlflow()
        took = time.monotonic() - began
        with closing(sqlite3.connect(house.paths.database)) as database:
            rows = database.execute(
                "SELECT version, storage_location FROM model_versions WHERE name = ? ORDER BY version", (NAME,)
            ).fetchall()
            trail = database.execute(
                "SELECT action, version, after, principal FROM modelserve_audit "
                "WHERE securable_name = ? ORDER BY number",
                (NAME,),
            ).fetchall()
            alias = database.execute("SELECT version FROM registered_model_aliases").fetchall()
            check = database.execute("PRAGMA integrity_check").fetchall()
            left = database.execute("SELECT * FROM modelserve_context").fetchall()
        acknowledged = [int(number) for each in writers for number in each.acknowledged]
        repeated = sum(each.repeated for each in writers)
        assert (check, left) == ([("ok",)], [])
        assert len(set(acknowledged)) == len(acknowledged) == CLIENTS * EACH
        # Numbers have no gap; only what was never answered may have been written and asked for again.
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
        assert set(acknowledged) <= {row[0] for row in rows}
        assert len(rows) - len(acknowledged) <= repeated
        created = Counter(int(version) for action, version, _, _ in trail if action == "version created")
        assert created == Counter(dict.fromkeys(range(1, len(rows) + 1), 1))
        assert {principal for _, _, _, principal in trail} == {trail[0][3]} != {""}
        # The trail of the alias ends where the alias is, and every step begins where the last one ended.
        moves = [after for action, _, after, _ in trail if action in {"alias set", "alias moved"}]
        assert moves[-1] == f"Champion: {alias[0][0]}"
        copies = {place.removeprefix(PREFIX) for _, place in rows}
        assert len(copies) == len(rows)
        for copy in copies:
            assert (house.paths.artifacts / "registry" / copy / "MLmodel").read_text() == MLMODEL
        times = sorted(second for each in writers for second in each.seconds)
        print(
            f"\n{len(rows)} versions, {len(moves)} moves of the alias, {CLIENTS} clients, {killed} kills, "
            f"{repeated} repeated, {took:.1f} s; a change took p50 {statistics.median(times) * 1000:.0f} ms, "
            f"p99 {times[int(len(times) * 0.99)] * 1000:.0f} ms, longest {times[-1] * 1000:.0f} ms"
        )


@pytest.mark.parametrize("stopped", ["before", "after"])
def test_a_copy_that_nobody_registered_is_removed(stopped: str) -> None:
    """What a killed process left in the store goes at the next start, and nothing else."""
    with started_instance("ms-swp-") as house:
        house.wait_for_mlflow()
        source = _logged(house)
        writer = Writer(house, source)
        writer.run(1)
        root = house.paths.artifacts / "registry"
        kept = {each.name for each in root.iterdir()}
        (root / ("0" * 32)).mkdir()
        with house.client() as client:
            pid = client.status().mlflow.pid
        assert pid
        os.kill(pid, signal.SIGKILL if stopped == "before" else signal.SIGTERM)
        until = time.monotonic() + 60
        while {each.name for each in root.iterdir()} != kept:
            assert time.monotonic() < until
            time.sleep(0.05)
