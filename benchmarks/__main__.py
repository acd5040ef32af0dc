"""``make bench``: ours through the gateway with a token beside ``mlflow models serve``, in one run on one model.

Prints a Markdown table and writes build/bench.md and build/bench.json. The peers and the fast paths come later; this
is the frame and the first figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.load import Figures, measure

ROW = {"sepal length (cm)": 5.1, "sepal width (cm)": 3.5, "petal length (cm)": 1.4, "petal width (cm)": 0.2}
BODIES = {
    "1 row": json.dumps({"dataframe_records": [ROW]}).encode(),
    "1,000 rows": json.dumps({"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())] * 1000}}).encode(),
}
WINDOWS = [("1 row", 1), ("1 row", 16), ("1,000 rows", 4)]
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))


def main() -> None:
    """Run everything and print the table."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with tempfile.TemporaryDirectory(prefix="msb-") as scratch:
        os.environ["MODELSERVE_HOME"] = f"{scratch}/h"
        rows: list[dict[str, Any]] = []
        with _ours() as (url, token, directory), _mlflow(directory, Path(scratch)) as peer:
            for body, clients in WINDOWS:
                for name, address, secret in (("mlflow models serve", peer, ""), ("ours, gateway + token", url, token)):
                    asyncio.run(measure(address, BODIES[body], clients=clients, seconds=1, token=secret))
                    found = asyncio.run(measure(address, BODIES[body], clients=clients, seconds=SECONDS, token=secret))
                    rows.append({"server": name, "body": body, "clients": clients, **asdict(found)})
    _report(rows)


@contextmanager
def _ours() -> Iterator[tuple[str, str, Path]]:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    import jupyter_modelserve as ms
    from jupyter_modelserve import launcher
    from jupyter_modelserve.settings import Paths

    paths = Paths.default()
    features, target = load_iris(return_X_y=True, as_frame=True)
    try:
        ms.register(LogisticRegression(max_iter=500).fit(features, target), "bench", input_example=features.head(2))
        ms.serve("bench/1", name="bench")
        instance = launcher.ensure(paths)
        (model,) = [each.parent for each in paths.artifacts.rglob("MLmodel")]
        yield f"{instance.url}/model/bench/1/invocations", paths.token_file.read_text().strip(), model
    finally:
        launcher.stop(paths)


@contextmanager
def _mlflow(model: Path, scratch: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    # It starts uvicorn by name.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    log_file = scratch / "mlflow.log"
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            [*command, "-p", str(port), "--workers", "1"], stdout=log, stderr=log, env=environment
        )
        try:
            _wait(f"http://127.0.0.1:{port}/ping", server, log_file)
            yield f"http://127.0.0.1:{port}/invocations"
        finally:
            server.terminate()
            server.wait(20)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(url, timeout=1)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(url)


def _report(rows: list[dict[str, Any]]) -> None:
    lines = [
        "| body | clients | server | requests/s | p50 ms | p99 ms | failures | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        base = next(r for r in rows if (r["body"], r["clients"]) == (row["body"], row["clients"]))
        ratio = row["requests_per_second"] / base["requests_per_second"]
        lines.append(
            f"| {row['body']} | {row['clients']} | {row['server']} | {row['requests_per_second']:.0f} "
            f"| {row['p50']:.2f} | {row['p99']:.2f} | {row['failures']} | {ratio:.2f} |"
        )
    text = "\n".join(lines)
    print(text)
    build = Path("build")
    build.mkdir(exist_ok=True)
    (build / "bench.md").write_text(text + "\n")
    (build / "bench.json").write_text(json.dumps(rows, indent=1))


__all__ = ["Figures", "main"]

if __name__ == "__main__":
    main()
