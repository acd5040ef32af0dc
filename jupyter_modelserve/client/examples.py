"""Fetches a version's own input example as a request body, so that snippets work without data."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote

from jupyter_modelserve.client import calls, target
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter, ModelServeError, NotFound
from jupyter_modelserve.names import Segment, SegmentKind, no_alias
from jupyter_modelserve.types import Model, ModelVersion

_FILE: Final = "serving_input_example.json"
_SCHEME: Final = "mlflow-artifacts:/"
_LARGEST: Final = 20_000
"""A longer example would make an unreadable snippet; its first row is taken."""


def body(client: Client, reference: str) -> str:
    """The JSON body that MLflow stored with the version behind *reference*.

    Raises:
        InvalidParameter: the version has no input example; NotFound: nothing is called so.
    """
    version = _version(client, reference)
    missing = InvalidParameter(
        f"{version.model} version {version.version} was registered without an input example; give data to send",
        details={"field": "data"},
    )
    if not version.location.startswith(_SCHEME):
        raise missing
    path = quote(f"{version.location.removeprefix(_SCHEME).strip('/')}/{_FILE}")
    call = calls.Call("GET", f"/api/2.0/mlflow-artifacts/artifacts/{path}", lambda found: found)
    try:
        found = client.send(call)
    except ModelServeError as error:
        raise missing from error
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= _LARGEST else json.dumps(_first_row(found), ensure_ascii=False)


def _first_row(found: object) -> object:
    if isinstance(found, dict):
        split = found.get("dataframe_split")
        if isinstance(split, dict) and isinstance(split.get("data"), list):
            return {"dataframe_split": {"columns": split.get("columns"), "data": split["data"][:1]}}
        return {key: value[:1] if isinstance(value, list) else value for key, value in found.items()}
    return found


def _version(client: Client, reference: str) -> ModelVersion:
    found = target.parse(reference)
    if found.segment is not None:
        return pick(client.model(found.name), found.segment)
    for endpoint in client.endpoints():
        if endpoint.spec.name == found.name or any(each.model == found.name for each in endpoint.spec.entities):
            serving = [each for each in endpoint.status.versions if each.serving] or list(endpoint.status.versions)
            if serving:
                segment = Segment(SegmentKind.VERSION, serving[0].version)
                return pick(client.model(serving[0].model), segment)
    model = client.model(found.name)
    return pick(model, None)


def pick(model: Model, segment: Segment | None) -> ModelVersion:
    """The version of *model* that *segment* names; the newest for ``None``.

    Raises:
        NotFound: the model has no such version, alias or stage.
    """
    wanted = segment.value if segment else ""
    if segment and segment.kind is SegmentKind.ALIAS:
        if segment.value not in model.aliases:
            raise NotFound(no_alias(model.name, segment.value, model.aliases), details={"model": model.name})
        wanted = model.aliases[segment.value]
    for each in model.versions:
        stage = segment is not None and segment.kind is SegmentKind.STAGE
        if segment is None or (each.stage if stage else each.version) == wanted:
            return each
    raise NotFound(
        f"model {model.name} has no {segment.kind if segment else 'version'} {segment.value if segment else ''}"
    )
