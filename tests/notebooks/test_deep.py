"""How ``%register`` writes PyTorch networks: a graph where the example allows one, else a pickle; without dropout."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts import demo

pytestmark = [pytest.mark.slow]

CODE = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import mlflow, numpy as np, pandas as pd, torch
from jupyter_modelserve.authoring import save
from jupyter_modelserve.authoring.example import examine
from jupyter_modelserve.authoring.flavors import detect
from jupyter_modelserve.authoring.quiet import quiet

class Fork(torch.nn.Module):
    def forward(self, x):
        return x * 2 if x.sum() > 0 else x - 1

rows = np.arange(8, dtype=np.float32).reshape(4, 2)
plain = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout(0.9))
plain.train()
plain[0].eval()  # a frozen layer stays as it was
cases = {"array": (plain, rows), "one row": (plain, rows[:1]), "frame": (plain, pd.DataFrame(rows, columns=["a", "b"])),
         "no graph": (Fork(), rows)}
found = {}
for name, (network, example) in cases.items():
    folder = Path(sys.argv[1]) / name.replace(" ", "-")
    with quiet(False):
        saved = save.save(network, detect(network), examine(example), save.Options(), folder)
        model = mlflow.pyfunc.load_model(str(folder))
        asked = rows if name != "frame" else pd.DataFrame(rows, columns=["a", "b"])
        answers = [np.asarray(model.predict(asked)) for _ in range(2)]
    with torch.no_grad():
        expected = network[0](torch.from_numpy(rows)) if network is plain else network(torch.from_numpy(rows))
    found[name] = {
        "files": sorted(each.name for each in (folder / "data").iterdir()),
        "same": bool(np.allclose(answers, expected.numpy(), atol=1e-5)),
        "inputs": str(saved.signature.inputs),
        "requirements": saved.requirements,
        "modes": [each.training for each in plain],
    }
print("found " + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(deep_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    command = [str(deep_python), "-c", CODE, str(tmp_path_factory.mktemp("networks"))]
    environ = os.environ | {"PYTHONPATH": str(demo.ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environ)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.rpartition("found ")[2])
    return found


@pytest.mark.parametrize(
    ("case", "file", "inputs"),
    [
        ("array", "model.pt2", "Tensor"),
        ("one row", "model.pth", "Tensor"),
        ("frame", "model.pth", "'a'"),
        ("no graph", "model.pth", "Tensor"),
    ],
)
@pytest.mark.req("REQ-115", "REQ-116")
def test_a_network_is_written_as_it_predicts(found: dict[str, Any], case: str, file: str, inputs: str) -> None:
    written = found[case]
    assert file in written["files"]
    assert inputs in written["inputs"]
    assert written["same"], "it answers other than the network without dropout"
    assert [each.partition("==")[0] for each in written["requirements"] if each.startswith("torch")] == ["torch"]
    assert written["modes"] == [False, True], "registering changed the network in the notebook"
