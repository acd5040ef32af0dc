"""Servers that we compare with, each in an environment of its own and in the best of its modes that we found.

All of them run ``mlflow.pyfunc.load_model(...).predict(DataFrame)`` on the same saved model, so the schema is enforced
everywhere, with one process that runs the model (the machine has two cores, and the load needs one). Those that can
gather requests into one prediction do so, up to 64 rows. A peer that cannot be installed is named in the table.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import models
from benchmarks.servers import ROOT, Server, first_answer, free_port, running, tree_of

HERE = Path(__file__).parent
BATCH = 64


@dataclass(frozen=True)
class Peer:
    """A server, what it is installed from, and how it is started.

    ``command`` gets interpreter, model directory, port and a scratch directory and returns arguments and variables.
    """

    name: str
    home: str
    requirements: tuple[str, ...]
    command: Callable[[Path, Path, int, Path], tuple[list[str], dict[str, str]]]
    path: str
    encode: models.Encode = models.split
    decode: Callable[[Any], list[int]] | None = None

    @property
    def interpreter(self) -> Path:
        """The Python of its environment."""
        return ROOT / "build" / "peers" / self.home / "bin" / "python"

    def install(self) -> str:
        """Make its environment; returns what went wrong, empty when it is there."""
        done = subprocess.run(
            ["scripts/bootstrap.sh", "peer", self.home, *self.requirements, *models.pins()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        return "" if done.returncode == 0 else f"cannot be installed here: {' '.join(lines)[-300:]}"

    @contextmanager
    def serving(self, model: models.Model, scratch: Path) -> Iterator[Server]:
        """It runs with one model and has answered once."""
        port = free_port()
        place = scratch / f"{self.home}-{model.name}-{port}"
        place.mkdir()
        arguments, variables = self.command(self.interpreter, model.directory, port, place)
        log = place / "log"
        with running(arguments, log, cwd=place, **variables) as process:
            server = Server(
                self.name,
                model.name,
                f"127.0.0.1:{port}",
                self.path,
                tree_of("server", process.pid),
                encode=self.encode,
                **({"decode": self.decode} if self.decode else {}),
            )
            first_answer(server, model, process, log)
            yield server


# ---------------------------------------------------------------------------------------------------- MLServer
def _mlserver(python: Path, model: Path, port: int, place: Path) -> tuple[list[str], dict[str, str]]:
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, "access_logger": False, **ports}
    about = {
        "name": "m",
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": str(model)},
        "max_batch_size": BATCH,
        "max_batch_time": 0.002,
    }
    (place / "settings.json").write_text(json.dumps(settings))
    (place / "model-settings.json").write_text(json.dumps(about))
    return [str(python.parent / "mlserver"), "start", str(place)], {}


def _v2(columns: list[str], rows: list[list[float]]) -> dict[str, Any]:
    inputs = [
        {"name": name, "shape": [len(rows), 1], "datatype": "FP64", "data": [row[index] for row in rows]}
        for index, name in enumerate(columns)
    ]
    # A request that names itself gets the same answer every time, to the byte.
    return {"id": "b", "parameters": {"content_type": "pd"}, "inputs": inputs}


def _outputs(answer: Any) -> list[int]:
    return [int(each) for each in answer["outputs"][0]["data"]]


# ---------------------------------------------------------------------------------------------------- the others
def _script(file: str, *before: str) -> Callable[[Path, Path, int, Path], tuple[list[str], dict[str, str]]]:
    def command(python: Path, model: Path, port: int, place: Path) -> tuple[list[str], dict[str, str]]:
        return [str(python), *before, str(HERE / file)], {
            "MODEL": str(model), "PORT": str(port), "HOME": str(place), "RAY_USAGE_STATS_ENABLED": "0",
        }  # fmt: skip

    return command


def _bentoml(python: Path, model: Path, port: int, place: Path) -> tuple[list[str], dict[str, str]]:
    # BentoML takes the service from its working directory.
    (place / "bento_service.py").write_text((HERE / "bento_service.py").read_text())
    options = ["--host", "127.0.0.1", "--port", str(port)]
    variables = {"MODEL": str(model), "BENTOML_HOME": str(place), "BENTOML_DO_NOT_TRACK": "True"}
    return [str(python.parent / "bentoml"), "serve", "bento_service:Service", *options], variables


def _rows(_: list[str], rows: list[list[float]]) -> dict[str, Any]:
    return {"rows": rows}


def _plain(answer: Any) -> list[int]:
    return [int(each) for each in answer]


_MLSERVER = ("mlserver==1.7.1", "mlserver-mlflow==1.7.1")
PEERS = (
    Peer("MLServer, V2 with batching", "mlserver", _MLSERVER, _mlserver, "/v2/models/m/infer", _v2, _outputs),
    Peer("MLServer, /invocations", "mlserver", _MLSERVER, _mlserver, "/invocations"),
    Peer("BentoML, batching", "bentoml", ("bentoml==1.4.39",), _bentoml, "/predict", _rows, _plain),
    Peer("LitServe, batching", "litserve", ("litserve==0.2.19",), _script("lit_service.py"), "/predict", _rows),
    Peer("Ray Serve, batching", "ray", ("ray[serve]==2.60.0",), _script("ray_service.py"), "/predict", _rows),
)


def install() -> dict[str, str]:
    """Make every environment; returns the peers that cannot be had and why."""
    # MLServer is there twice, in two modes.
    troubles = {peer.home: peer.install() for peer in {each.home: each for each in PEERS}.values()}
    return {peer.name: troubles[peer.home] for peer in PEERS if troubles[peer.home]}
