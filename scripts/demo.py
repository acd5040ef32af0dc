"""The main job in one command: runs notebooks/quickstart.ipynb and leaves its endpoint serving (``make demo``).

The kernel is this interpreter's own, whatever other kernels are installed. The executed notebook goes to build/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
KERNEL = "modelserve-demo"
MIME = "application/vnd.jupyter-modelserve+json"


class DemoFailed(Exception):
    """One line for the user."""


def install_kernel(directory: Path, python: str = sys.executable) -> Path:
    """Write a kernel specification for *python* below *directory*; returns the path for ``JUPYTER_PATH``."""
    folder = directory / "kernels" / KERNEL
    folder.mkdir(parents=True, exist_ok=True)
    specification: dict[str, Any] = {
        "argv": [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "modelserve demo",
        "language": "python",
    }
    if not installed():
        specification["env"] = {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    (folder / "kernel.json").write_text(json.dumps(specification), encoding="utf-8")
    return directory


def installed() -> bool:
    """Whether the package can be imported without help."""
    return find_spec("jupyter_modelserve") is not None


def execute(source: Path, target: Path, parameters: dict[str, Any]) -> tuple[Any, list[tuple[str, float]]]:
    """Run *source* with *parameters*; returns the executed notebook and the seconds of each named step.

    Raises:
        DemoFailed: a cell failed; the executed notebook is in *target* all the same.
    """
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from papermill.iorw import load_notebook_node, write_ipynb
    from papermill.parameterize import parameterize_notebook

    notebook = parameterize_notebook(load_notebook_node(str(source)), parameters, kernel_name=KERNEL, language="python")
    steps, started = [], {}

    def begin(cell: Any, cell_index: int) -> None:  # noqa: ARG001 - nbclient passes both by name
        started[cell_index] = time.monotonic()

    def end(cell: Any, cell_index: int, **_: Any) -> None:
        if cell.cell_type == "code":
            steps.append((heading(notebook, cell_index), time.monotonic() - started[cell_index]))
            if "injected-parameters" not in cell.metadata.get("tags", []):
                print(f"  {cell.id:<16} {steps[-1][1]:6.1f} s", flush=True)

    try:
        with tempfile.TemporaryDirectory(prefix="modelserve-") as private:
            manager = AsyncKernelManager(kernel_name=KERNEL, transport="ipc", connection_file=f"{private}/kernel.json")
            client = NotebookClient(notebook, km=manager, timeout=900, on_cell_start=begin, on_cell_executed=end)
            client.owns_km = True
            client.execute()
    except CellExecutionError as error:
        last = [line for line in str(error).strip().splitlines() if line.strip()][-1]
        raise DemoFailed(f"{error.ename}: {error.evalue or last}; see {target}") from error
    except (DeadKernelError, RuntimeError) as error:
        raise DemoFailed(f"the kernel does not run: {str(error).splitlines()[0]}; is ipykernel installed?") from error
    finally:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_ipynb(notebook, str(target))
    return notebook, steps


def heading(notebook: Any, index: int) -> str:
    """The last heading above a cell."""
    for cell in reversed(notebook.cells[: index + 1]):
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            return str(cell.source.splitlines()[0].lstrip("# "))
    return ""


def outputs(notebook: Any, kind: str) -> list[dict[str, Any]]:
    """The JSON that our objects left in the outputs, by their kind."""
    found = (output.get("data", {}).get(MIME) for cell in notebook.cells for output in cell.get("outputs", []))
    return [each for each in found if each and each["kind"] == kind]


def printed(notebook: Any, cell_id: str) -> str:
    """What a cell printed."""
    cells = [cell for cell in notebook.cells if cell.id == cell_id]
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs).strip()


def report(notebook: Any, steps: list[tuple[str, float]], endpoint: str) -> None:
    """Print results, addresses, a curl line, and what took how long."""
    print("\nResult")
    for version in outputs(notebook, "version"):
        print(f"  {version['uri']} registered in {version['elapsed']:.1f} s")
    served = outputs(notebook, "endpoint")[-1]
    print(f"  endpoint {endpoint} ready in {served['elapsed']:.1f} s")
    print(f"  {printed(notebook, 'move-check')}")
    print("\nTime")
    totals: dict[str, float] = {}
    for name, seconds in steps[1:]:
        totals[name] = totals.get(name, 0.0) + seconds
    for name, seconds in totals.items():
        print(f"  {name:<40} {seconds:6.1f} s")
    line = outputs(notebook, "snippet")[-1]["content"]
    print(f"\nAddress\n  {served['urls'][0]}\n\nPaste this into a shell\n\n{line}\n")
    print(f"It answers: {ask(line)}")
    print(f"Stop it with: ms.stop({endpoint!r}) or %stop {endpoint}; everything with: jupyter modelserve down")


def ask(line: str) -> str:
    """Run the curl line as a user would; says so when there is no curl.

    Raises:
        DemoFailed: it does not answer with predictions.
    """
    if shutil.which("curl") is None:
        return "(curl is not installed here)"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or "predictions" not in done.stdout:
        raise DemoFailed(f"the curl line failed: {(done.stdout or done.stderr).strip()[:200]}")
    return done.stdout.strip()


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 when everything worked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "quickstart.ipynb", help="executed notebook")
    parser.add_argument("--stop", action="store_true", help="stop the endpoint at the end")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    kernels = install_kernel(options.output.resolve().parent / "demo-kernel")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(kernels), os.environ.get("JUPYTER_PATH")]))
    if not installed():
        sys.path.insert(0, str(ROOT))
    print(f"Running {NOTEBOOK.relative_to(ROOT)}", flush=True)
    try:
        notebook, steps = execute(NOTEBOOK, options.output, {"keep_serving": not options.stop})
        if not options.stop:
            report(notebook, steps, "quickstart")
    except DemoFailed as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    print(f"Done in {time.monotonic() - started:.0f} s; executed notebook: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
