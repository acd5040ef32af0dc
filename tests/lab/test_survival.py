"""A kernel restart, an interrupted cell, a closed or killed JupyterLab: what is served does not notice."""

from __future__ import annotations

import signal
from typing import Any

import httpx
import pytest

from jupyter_modelserve import launcher
from tests.chaos.models import register
from tests.lab.served import BODY, MODEL, PATH, ROW, Home, kernel, run, until
from tests.lab.server import TOKEN, jupyter_server
from tests.support.instance import mlflow_of
from tests.support.load import Load
from tests.support.slo import Slo

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(240)]


def load(home: Home) -> Load:
    return Load(home.instance.url, home.instance.token, PATH, BODY, rate=20)


def daemons(home: Home) -> dict[str, int]:
    return {name: home.instance.pid(name) for name in ("gateway", "controller")}


def slow_to_load(mlflow: Any) -> Any:
    """So slow that a cell can be interrupted while it is being loaded."""

    class SlowToLoad(mlflow.pyfunc.PythonModel):
        def load_context(self, context: Any) -> None:
            import time

            time.sleep(4)

        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return [7 for _ in range(len(model_input))]

    return SlowToLoad()


@pytest.mark.req("REQ-004")
def test_an_interrupted_serve_goes_on_to_ready(home: Home) -> None:
    with mlflow_of(home.instance) as mlflow:
        register(mlflow, "slow", slow_to_load(mlflow))
    with kernel(home.environ()) as (manager, client), home.instance.client() as ours:
        assert run(client, "%load_ext jupyter_modelserve")[1]["status"] == "ok"
        asked = client.execute("%serve slow")
        until("the endpoint is on its way", lambda: any(each.spec.name == "slow" for each in ours.endpoints()))
        assert ours.endpoint("slow").status.service == "PENDING", "it must be interrupted before it is ready"
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=30)
        assert reply["parent_header"]["msg_id"] == asked
        assert (reply["content"]["status"], reply["content"]["ename"]) == ("error", "KeyboardInterrupt")
        assert "goes on starting" in reply["content"]["evalue"]
        until("it is READY all the same", lambda: ours.endpoint("slow").status.service == "READY")
        printed, reply = run(client, "%score slow [[1.0]]")
        assert reply["status"] == "ok", reply
        assert "7" in printed
        ours.delete_endpoint("slow")


@pytest.mark.req("REQ-004")
def test_a_restarted_kernel_changes_nothing_and_finds_the_instance(home: Home) -> None:
    before = daemons(home)
    with kernel(home.environ()) as (manager, client), load(home) as shots:
        for _ in range(2):
            run(client, "%load_ext jupyter_modelserve")
            printed, reply = run(client, f"%score {MODEL} {ROW}")
            assert reply["status"] == "ok", reply
            assert "0" in printed
            manager.restart_kernel(now=True)
            client.wait_for_ready(timeout=60)
        shots.wait_for(40)
    Slo(failed=0, least=40).check(shots.shots)
    assert daemons(home) == before


@pytest.mark.parametrize("how", ["shut down", "terminated", "killed"])
def test_a_closed_jupyter_leaves_what_it_started_alone(home: Home, how: str) -> None:
    """The instance was started by that very server, which makes no difference."""
    launcher.stop(home.instance.paths)
    with jupyter_server(home.environ(MODELSERVE_HOME=str(home.instance.home))) as jupyter:
        assert jupyter.client().post("lab/start").json()["running"] is True
        before = daemons(home)
        endpoint = f"api/v1/endpoints/{MODEL}"
        until("it serves", lambda: jupyter.client().get(endpoint).json()["status"]["service"] == "READY")
        with load(home) as shots:
            shots.wait_for(10)
            if how == "shut down":
                headers = {"authorization": f"token {TOKEN}"}
                httpx.post(f"{jupyter.url}api/shutdown", headers=headers, timeout=20, trust_env=False)
            else:
                jupyter.process.send_signal(signal.SIGTERM if how == "terminated" else signal.SIGKILL)
            jupyter.process.wait(30)
            shots.wait_for(len(shots.shots) + 20)
        Slo(failed=0, least=30).check(shots.shots)
    assert daemons(home) == before
