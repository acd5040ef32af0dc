"""``run``: one run of a notebook under papermill, for schedules. What it makes is stamped with the run.

The notebook stays as it is: the stamp goes through the environment, the results come from its output.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from jupyter_modelserve.authoring import stamp
from jupyter_modelserve.cli import parameters, reporting
from jupyter_modelserve.client.records import recorded
from jupyter_modelserve.errors import InvalidParameter

_TEMPLATE: Final = "{name}-{time}-{run}.ipynb"


@dataclass
class Run:
    """One run as ``--json`` shows it. Paths are absolute; ``failed`` names the cell and its error."""

    notebook: str
    output: str
    run: str
    parameters: dict[str, Any]
    state: str = "succeeded"
    seconds: float = 0.0
    failed: dict[str, Any] | None = None
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


def run(arguments: argparse.Namespace) -> int:
    """Run a notebook: 0 it went through, 1 a cell failed, 2 nothing has run because an argument is wrong."""
    try:
        found = _prepare(arguments)
    except InvalidParameter as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    started, started_at = time.monotonic(), int(time.time() * 1000)
    if not arguments.json:
        print(f"{found.notebook} → {found.output}", flush=True)
    reporting.report(found, started_at, ended=False)
    with _stamped(found):
        found.failed = _execute(found, arguments.kernel, arguments.timeout)
    found.seconds = round(time.monotonic() - started, 1)
    found.state = "failed" if found.failed else "succeeded"
    if Path(found.output).is_file():
        found.records = recorded(found.output)
    refused = reporting.report(found, started_at, ended=True)
    if refused:
        print(f"warning: the instance did not take the run's result: {refused}", file=sys.stderr)
    _report(found, as_json=arguments.json)
    return 1 if found.failed else 0


def _prepare(arguments: argparse.Namespace) -> Run:
    path = Path(arguments.notebook).absolute()
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        known = parameters.declared(notebook)
    except OSError as error:
        raise InvalidParameter(f"{arguments.notebook}: {error.strerror}", details={"field": "notebook"}) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidParameter(f"{arguments.notebook} is no notebook", details={"field": "notebook"}) from error
    identity = secrets.token_hex(4)
    given = parameters.typed(arguments.parameter or [], known)
    output = _output(arguments.output or _TEMPLATE, path, identity)
    return Run(str(path), str(output), identity, given)


def _output(template: str, source: Path, identity: str) -> Path:
    moment = time.strftime("%Y%m%dT%H%M%S")
    try:
        output = Path(template.format(name=source.stem, time=moment, run=identity)).absolute()
    except (KeyError, IndexError, ValueError) as error:
        raise InvalidParameter(
            f"--output {template!r}: only {{name}}, {{time}} and {{run}} are replaced", details={"field": "output"}
        ) from error
    if output.is_dir():
        output /= _TEMPLATE.format(name=source.stem, time=moment, run=identity)
    if output.resolve() == source.resolve():
        raise InvalidParameter("--output is the notebook itself, which stays as it is", details={"field": "output"})
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


@contextmanager
def _stamped(found: Run) -> Iterator[None]:
    before = os.environ.get(stamp.VARIABLE)
    os.environ[stamp.VARIABLE] = stamp.variable(stamp.tags(found.notebook, found.output, found.run, found.parameters))
    try:
        yield
    finally:
        if before is None:
            del os.environ[stamp.VARIABLE]
        else:
            os.environ[stamp.VARIABLE] = before


def _execute(found: Run, kernel: str | None, seconds: int | None) -> dict[str, Any] | None:
    """``None``, or what failed: the cell's id, number and heading, and the error."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="modelserve-") as private:
        warnings.simplefilter("ignore")
        import papermill
        from jupyter_client.kernelspec import NoSuchKernel
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
        from papermill.exceptions import PapermillException, PapermillExecutionError

        try:
            papermill.execute_notebook(
                found.notebook,
                found.output,
                parameters=found.parameters or None,
                kernel_name=kernel or _own_kernel(found.notebook),
                language="python",
                execution_timeout=seconds,
                progress_bar=False,
                config=_private_kernel(private),
            )
        except PapermillExecutionError as error:
            return _cell(found.output) | {"error": error.ename, "message": _first(error.evalue)}
        except (CellTimeoutError, DeadKernelError) as error:
            message = f"no end after {seconds} s" if isinstance(error, CellTimeoutError) else "the kernel died"
            return _cell(found.output) | {"error": type(error).__name__, "message": message}
        except NoSuchKernel as error:
            return {"error": "NoSuchKernel", "message": f"no kernel is called {error.name}; name one with --kernel"}
        except (PapermillException, CellExecutionError, RuntimeError, ValueError) as error:
            return {"error": type(error).__name__, "message": _first(str(error))}
    return None


def _private_kernel(directory: str) -> Any:
    """Sockets in *directory*, which is this user's alone, instead of ports that every user of the machine can reach."""
    from traitlets.config import Config

    return Config(KernelManager={"transport": "ipc", "connection_file": f"{directory}/kernel.json"})


def _own_kernel(notebook: str) -> str:
    metadata = json.loads(Path(notebook).read_text(encoding="utf-8")).get("metadata", {})
    return str(metadata.get("kernelspec", {}).get("name") or "python3")


def _first(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:500]


def _cell(output: str) -> dict[str, Any]:
    """Where a run ended: the last cell that was begun."""
    found: dict[str, Any] = {}
    heading, number = "", 0
    for cell in json.loads(Path(output).read_text(encoding="utf-8"))["cells"]:
        metadata, source = cell.get("metadata", {}), "".join(cell["source"])
        # papermill puts cells of its own above and in front of the one that failed.
        if "papermill-error-cell-tag" in metadata.get("tags", []):
            continue
        if cell["cell_type"] == "markdown" and source.startswith("#"):
            heading = source.splitlines()[0].lstrip("# ")
        if cell["cell_type"] == "code":
            number += 1
            if metadata.get("papermill", {}).get("start_time"):
                found = {"cell": cell.get("id", ""), "number": number, "heading": heading}
    return found


def _report(found: Run, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(found), ensure_ascii=False))
    else:
        for name, values in found.records.items():
            print(f"{name}: {json.dumps(values, ensure_ascii=False)}")
        print(f"{found.state} in {found.seconds} s, run {found.run}")
    if found.failed:
        where = found.failed
        cell = f"cell {where['cell'] or where['number']}" if "cell" in where else "the run"
        cell += f" ({where['heading']})" if where.get("heading") else ""
        print(f"error: {cell} failed: {where['error']}: {where['message']}; see {found.output}", file=sys.stderr)
