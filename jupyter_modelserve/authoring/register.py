"""``ms.register``: from an object in a notebook to a registered version, in about a second (REQ-064, 067, 116)."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_modelserve import names
from jupyter_modelserve.authoring import checks, connection, flavors, origin, save, upload
from jupyter_modelserve.authoring.example import NO_EXAMPLE, Example, examine
from jupyter_modelserve.authoring.quiet import quiet
from jupyter_modelserve.authoring.result import RegisteredVersion, signature_rows
from jupyter_modelserve.checked import Check
from jupyter_modelserve.client import session
from jupyter_modelserve.client.checking import TIMEOUT, CheckFailed
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter, ModelServeError, from_body

if TYPE_CHECKING:
    from mlflow import MlflowClient


def register(
    model: Any,
    name: str,
    *,
    alias: str | Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
    description: str = "",
    input_example: Any = None,
    dataset: Any = None,
    signature: Any = None,
    pip_requirements: Sequence[str] | None = None,
    extra_pip_requirements: Sequence[str] | None = None,
    code_paths: Sequence[str] | None = None,
    flavor: str | None = None,
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    check: bool = False,
    check_timeout: float = TIMEOUT,
    on_check: Callable[[Check], None] | None = None,
    verbose: bool = False,
) -> RegisteredVersion:
    """Register *model* as a new version of *name*.

    Args:
        model: a fitted estimator, an ``mlflow.pyfunc.PythonModel``, a function of the input, the URI of a logged
            model (``runs:/…``, ``models:/m-…``), the path of a folder that ``mlflow.<flavor>.save_model`` wrote, or
            ``None``: the model of this kernel's last run.
        name: ``iris``, or ``catalog.schema.iris`` (then a signature is required, REQ-063).
        alias: one or more aliases to set on the new version.
        tags: tags of the version. description: its description.
        input_example: rows as the model will receive them; signature and probe come from it.
        dataset: the training data, a DataFrame or a dataset of ``mlflow.data``, recorded as lineage.
        signature: an ``mlflow.models.ModelSignature``, instead of the inferred one.
        pip_requirements, extra_pip_requirements, code_paths, flavor: as in ``mlflow.<flavor>.log_model``.
        params, metrics: recorded with the run.
        check: run the model in a clean environment first and let it predict its example; a version is made only when
            that works (REQ-125, REQ-127). check_timeout: seconds to wait. on_check: sees the check while it runs.
        verbose: let MLflow speak.

    Raises:
        CheckFailed: the model would not serve; it stays logged, without a version, for other requirements to be tried.
        InvalidParameter: name, alias or model cannot be used; nothing has been logged then.
        NotFound: no model behind the URI. NotRunning: no instance answers.
    """
    started = time.monotonic()
    aliases = (alias,) if isinstance(alias, str) else tuple(alias or ())
    names.check_model(name)
    for each in aliases:
        names.check_alias(name, each)
    record = upload.Record(name, aliases, tags or {}, description, dataset, params or {}, metrics or {})
    options = save.Options(signature, pip_requirements, extra_pip_requirements, code_paths)
    judge = checks.gate(name, check_timeout, on_check) if check else None
    if model is None or origin.is_saved(model):
        found = _existing(model, record, judge, verbose)
    else:
        found = _new(model, input_example, record, options, flavor, judge, verbose)
    return _timed(found, time.monotonic() - started)


def _timed(found: RegisteredVersion, elapsed: float) -> RegisteredVersion:
    from dataclasses import replace

    return replace(found, elapsed=elapsed)


def _new(
    model: Any,
    example: Any,
    record: upload.Record,
    options: save.Options,
    flavor: str | None,
    judge: checks.Gate | None,
    verbose: bool,
) -> RegisteredVersion:
    kind = flavors.detect(model, flavor)
    flavors.check_fitted(model, kind)
    examined = examine(example)
    _require_signature(record.name, examined, options.signature)
    with tempfile.TemporaryDirectory(prefix="modelserve-") as scratch, quiet(verbose):
        saved = save.save(model, kind, examined, options, Path(scratch) / "model")
        source, version, verdict = _publish(saved.directory, record, kind.name, judge)
    warnings = () if options.signature and example is None else examined.warnings
    return RegisteredVersion(
        name=record.name,
        version=version,
        aliases=record.alias,
        run_id=source.run_id or "",
        model_id=source.model_id or "",
        flavor=kind.name,
        signature=signature_rows(saved.signature),
        warnings=(*warnings, *saved.warnings),
        requirements=saved.requirements,
        verdict=verdict,
    )


def _publish(
    directory: Path, record: upload.Record, flavor: str, judge: checks.Gate | None
) -> tuple[upload.Source, str, str]:
    """Log and register; where it lies, the version, and what the check in between said.

    MLflow's credentials are swapped for moments only, not while the check runs.
    """
    if judge is None:
        with _instance() as client:
            return *upload.publish(client, directory, record, flavor), ""
    with _instance() as client:
        logged = upload.log(client, directory, record, flavor)
    try:
        verdict = judge(logged.source).headline()
    except BaseException as error:
        with _instance() as client:
            upload.give_up(client, logged, keep=isinstance(error, CheckFailed))
        raise
    with _instance() as client:
        return *upload.finish(client, logged, record), verdict


def _require_signature(name: str, example: Example, signature: Any) -> None:
    if names.is_three_level(name) and example.data is None and signature is None:
        raise InvalidParameter(
            f"{name} is a catalog model, which needs a signature (REQ-063); pass input_example or signature",
            details={"field": "input_example"},
        )


def _existing(model: Any, record: upload.Record, judge: checks.Gate | None, verbose: bool) -> RegisteredVersion:
    with tempfile.TemporaryDirectory(prefix="modelserve-") as scratch, quiet(verbose):
        uri = origin.last_uri() if model is None else str(model)
        folder = Path(scratch)
        with _instance() as client:
            source = origin.here(client, uri)
            written: Any = origin.metadata(client, source, folder) if source else None
        if source is None:
            directory = origin.download(uri, folder)
            written = save._load(directory)
        _require_signature(record.name, Example(None, None), written.signature)
        if source is None:
            source, version, verdict = _publish(directory, record, "", judge)
        else:
            verdict = judge(source).headline() if judge else ""
            with _instance() as client:
                version = upload.register(client, source, record)
    return RegisteredVersion(
        name=record.name,
        version=version,
        aliases=record.alias,
        run_id=source.run_id or "",
        model_id=source.model_id or "",
        flavor=", ".join(key for key in written.flavors if key != "python_function") or "python_function",
        signature=signature_rows(written.signature),
        warnings=() if written.signature else (NO_EXAMPLE,),
        verdict=verdict,
    )


@contextmanager
def _instance() -> Iterator[MlflowClient]:
    """An MLflow client for the instance; MLflow's errors come out as ours, and the interpreter is made known."""
    from mlflow.exceptions import MlflowException

    client = session.run(_introduce)
    try:
        with connection.credentials(client.address):
            yield connection.mlflow_client(client.url)
    except MlflowException as error:
        status = int(error.get_http_status_code())  # type: ignore[no-untyped-call]
        message = (error.message or "").split("\n")[0]
        raise from_body(status, {"error_code": error.error_code, "message": message}) from error


def _introduce(client: Client) -> Client:
    with suppress(ModelServeError):
        client.add_interpreter(sys.executable)
    return client
