"""Finds a saved model: ``runs:/…``, ``models:/m-…``, the last run's, here or on another server; or in a folder.

A model that the instance has is registered where it lies. One from the kernel's own tracking server is downloaded
with the user's own settings and logged here, so that it can be served without that server. So is what a folder holds.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_modelserve.authoring.upload import Source
from jupyter_modelserve.errors import InvalidParameter, NotFound

if TYPE_CHECKING:
    from mlflow import MlflowClient


def is_uri(model: Any) -> bool:
    """Whether *model* is the URI of a logged model."""
    return isinstance(model, str) and model.startswith(("runs:/", "models:/"))


def is_saved(model: Any) -> bool:
    """Whether *model* names a saved model: by its URI, or by the path of its folder (or of the MLmodel file in it)."""
    if is_uri(model) or isinstance(model, os.PathLike):
        return True
    try:
        return isinstance(model, str) and Path(model).expanduser().exists()
    except (OSError, ValueError):  # a text that no path can be
        return False


def last_uri() -> str:
    """The model of the kernel's last run.

    Raises:
        NotFound: this kernel has no run, or its last run logged no model.
    """
    import mlflow

    run = mlflow.active_run() or mlflow.last_active_run()
    if run is None:
        raise NotFound("this kernel has no MLflow run; give the model: %register NAME MODEL")
    run = mlflow.get_run(run.info.run_id)
    outputs = run.outputs.model_outputs if run.outputs else []
    if not outputs:
        raise NotFound(f"the last run ({run.info.run_name}) logged no model; give the model: %register NAME MODEL")
    return f"models:/{outputs[-1].model_id}"


def here(client: MlflowClient, uri: str) -> Source | None:
    """Where the instance keeps the model behind *uri*; ``None`` when it does not have it."""
    from mlflow.exceptions import MlflowException

    if not is_uri(uri):
        return None
    try:
        if uri.startswith("runs:/"):
            return _of_run(client, uri)
        identity = uri.removeprefix("models:/")
        if "/" in identity or "@" in identity:
            return _of_version(client, identity)
        found = client.get_logged_model(identity)
        return Source(uri, found.model_id, found.source_run_id)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _of_run(client: MlflowClient, uri: str) -> Source | None:
    run_id, _, path = uri.removeprefix("runs:/").partition("/")
    run = client.get_run(run_id)
    for output in reversed(run.outputs.model_outputs if run.outputs else []):
        if client.get_logged_model(output.model_id).name == path or not path:
            return Source(f"models:/{output.model_id}", output.model_id, run_id)
    if any(each.path == f"{path}/MLmodel" for each in client.list_artifacts(run_id, path)):
        return Source(f"{run.info.artifact_uri}/{path}", None, run_id)
    return None


def _of_version(client: MlflowClient, identity: str) -> Source:
    if "@" in identity:
        found = client.get_model_version_by_alias(*identity.split("@", 1))
    else:
        found = client.get_model_version(*identity.split("/", 1))
    source = str(found.source)
    logged = source.removeprefix("models:/") if source.startswith("models:/m-") else None
    return Source(source, found.model_id or logged, found.run_id)


def download(uri: str, directory: Path) -> Path:
    """Fetch the model behind *uri* from the kernel's own tracking server, or copy it from its folder.

    Raises:
        NotFound: it is not there either. InvalidParameter: it is no MLflow model.
    """
    if not is_uri(uri):
        return _copy(Path(uri).expanduser(), directory)
    import mlflow.artifacts

    try:
        found = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(directory)))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise NotFound(
            f"{uri} was found neither on the instance nor on this kernel's tracking server: {first}"
        ) from error
    if not (found / "MLmodel").is_file():
        raise InvalidParameter(f"{uri} is no MLflow model (it has no MLmodel file)", details={"field": "model"})
    return found


def _copy(path: Path, directory: Path) -> Path:
    """A copy of a model's folder, because registering writes into it who the model is."""
    folder = path.parent if path.name == "MLmodel" else path
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}", details={"field": "model"})
    if not (folder / "MLmodel").is_file():
        raise InvalidParameter(
            f"{folder} holds no MLflow model (it has no MLmodel file)",
            details={"field": "model", "hint": "save one there with mlflow.<flavor>.save_model"},
        )
    return Path(shutil.copytree(folder, directory / "model"))


def metadata(client: MlflowClient, source: Source, directory: Path) -> Any:
    """The MLmodel of a model that lies on the instance."""
    import mlflow.artifacts
    from mlflow.models import Model

    location = client.get_logged_model(source.model_id).artifact_location if source.model_id else source.uri
    path = mlflow.artifacts.download_artifacts(
        f"{location}/MLmodel", dst_path=str(directory), tracking_uri=client.tracking_uri
    )
    return Model.load(str(Path(path).parent))
