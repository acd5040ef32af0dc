"""Brings a saved model to the instance: a run, a logged model with its files, and the registered version.

Uses an ``MlflowClient`` bound to the instance, so that the kernel's tracking URI, active run and "last run" stay what
they are.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_modelserve.authoring import save, stamp
from jupyter_modelserve.authoring.connection import notebook_name, tracks_at
from jupyter_modelserve.authoring.dataset import dataset_input

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class Record:
    """What is kept with the version and its run."""

    name: str
    alias: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    dataset: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A logged model on the instance: where its files are."""

    uri: str
    model_id: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Logged:
    """A model that is logged and not registered yet; ``own_run`` when the run was made for it."""

    source: Source
    run_id: str
    own_run: bool


def publish(client: MlflowClient, directory: Path, record: Record, flavor: str) -> tuple[Source, str]:
    """Log the files in *directory* and register them; returns where they are and the version number.

    A failure leaves no run, no logged model and no version.
    """
    return finish(client, log(client, directory, record, flavor), record)


def log(client: MlflowClient, directory: Path, record: Record, flavor: str) -> Logged:
    """Log the files in *directory*, with their run. A failure leaves nothing."""
    run_id, own = _run(client)
    model_id: str | None = None
    try:
        experiment = client.get_run(run_id).info.experiment_id
        params = {key: str(value) for key, value in record.params.items()}
        logged = client.create_logged_model(
            experiment, record.name.split(".")[-1], run_id, params=params, tags={"flavor": flavor}
        )
        model_id = logged.model_id
        save.stamp(directory, logged.model_id, run_id, logged.artifact_location)
        client.log_model_artifacts(logged.model_id, str(directory))
        client.finalize_logged_model(logged.model_id, "READY")
        _log(client, run_id, logged.model_id, record)
        return Logged(Source(f"models:/{logged.model_id}", logged.model_id, run_id), run_id, own)
    except BaseException:
        _undo(client, model_id, run_id if own else None)
        raise


def finish(client: MlflowClient, logged: Logged, record: Record) -> tuple[Source, str]:
    """Make a version of a logged model. A failure leaves neither of them."""
    try:
        version = register(client, logged.source, record)
    except BaseException:
        give_up(client, logged, keep=False)
        raise
    if logged.own_run:
        client.set_terminated(logged.run_id)
    return logged.source, version


def give_up(client: MlflowClient, logged: Logged, *, keep: bool) -> None:
    """No version is made of it: forget it, or *keep* it logged, so that other requirements can be tried on it."""
    if not keep:
        _undo(client, logged.source.model_id, logged.run_id if logged.own_run else None)
    elif logged.own_run:
        client.set_terminated(logged.run_id)


def _run(client: MlflowClient) -> tuple[str, bool]:
    """The active run when the kernel tracks here, else a new one named after the notebook (and whether it is new)."""
    import mlflow

    active = mlflow.active_run()
    if active is not None and tracks_at(client.tracking_uri):
        return str(active.info.run_id), False
    name = notebook_name()
    run = client.create_run(_experiment(client), run_name=name, tags={"mlflow.source.name": name, **stamp.here()})
    return str(run.info.run_id), True


def _experiment(client: MlflowClient) -> str:
    """MLflow's Default experiment, or one of ours where somebody deleted it."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):
        if client.get_experiment("0").lifecycle_stage == "active":
            return "0"
    found = client.get_experiment_by_name("notebooks")
    return str(found.experiment_id if found else client.create_experiment("notebooks"))


def _log(client: MlflowClient, run_id: str, model_id: str, record: Record) -> None:
    from mlflow.entities import LoggedModelOutput, Metric, Param

    client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
    now = int(time.time() * 1000)
    metrics = [Metric(key, float(value), now, 0) for key, value in record.metrics.items()]
    params = [Param(key, str(value)) for key, value in record.params.items()]
    if metrics or params:
        client.log_batch(run_id, metrics=metrics, params=params)
    if record.dataset is not None:
        client.log_inputs(run_id, datasets=[dataset_input(record.dataset, record.name)])


def _undo(client: MlflowClient, model_id: str | None, run_id: str | None) -> None:
    from mlflow.exceptions import MlflowException

    if model_id:
        with suppress(MlflowException):
            client.delete_logged_model(model_id)
    if run_id:
        with suppress(MlflowException):
            client.delete_run(run_id)


def register(client: MlflowClient, source: Source, record: Record) -> str:
    """Make a version of *source* and set its aliases; returns the version number."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(record.name)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}:
            raise
    version = client.create_model_version(
        record.name,
        source.uri,
        run_id=source.run_id,
        tags={**stamp.current(), **record.tags} or None,
        description=record.description or None,
        model_id=source.model_id,
    )
    for alias in record.alias:
        client.set_registered_model_alias(record.name, alias, version.version)
    return str(version.version)
