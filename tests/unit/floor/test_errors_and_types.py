"""One error shape both ways, and types that survive the wire."""

from __future__ import annotations

import re

import pytest

from jupyter_modelserve import addresses, errors, types
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, from_json, to_json


def every_error(cls: type[errors.ModelServeError] = errors.ModelServeError) -> list[type[errors.ModelServeError]]:
    ours = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [cls, *(found for child in ours for found in every_error(child))]


@pytest.mark.parametrize("cls", every_error())
def test_an_error_survives_the_wire(cls: type[errors.ModelServeError]) -> None:
    body = cls("no", details={"field": "x"}).body("r1")
    assert set(body) == {"error_code", "message", "details", "request_id"}
    again = errors.from_body(cls.status, body)
    assert type(again) is cls
    assert again.details == {"field": "x", "request_id": "r1"}


def test_the_drawn_tree_is_the_tree() -> None:
    drawn = dict(re.findall(r"(\w+)\s+\d{3} ([A-Z_]+)", errors.__doc__ or ""))
    assert drawn == {cls.__name__: cls.error_code for cls in every_error()}


def test_an_unknown_code_falls_back_to_its_status() -> None:
    assert isinstance(errors.from_body(404, {"error_code": "NEW"}), errors.NotFound)
    assert errors.from_body(418, {}).message == "HTTP 418"


def test_types_survive_the_wire() -> None:
    spec = EndpointSpec("iris", (ServedEntity("iris", Selector(SelectorKind.ALIAS, "Champion")),), tags={"a": "b"})
    assert from_json(EndpointSpec, to_json(spec)) == spec


def test_a_wrong_field_is_named() -> None:
    with pytest.raises(errors.InvalidParameter, match=r"entities\.0\.selector") as caught:
        from_json(EndpointSpec, {"name": "x", "entities": [{"model": "iris"}]})
    assert caught.value.details["field"] == "entities.0.selector"


def test_a_token_snapshot_holds_no_token() -> None:
    assert "token" not in types.TokenGrant.__dataclass_fields__
    assert "hash" not in types.TokenInfo.__dataclass_fields__


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/model/iris/1/invocations", addresses.Owner.WORKER),
        ("/api/modelserve/v1/status", addresses.Owner.CONTROLLER),
        ("/api/2.0/mlflow/runs/create", addresses.Owner.MLFLOW),
        ("/api/2.0/mlflow/unity-catalog/model-versions/get", addresses.Owner.CONTROLLER),
        ("/api/2.0/mlflow/databricks/model-versions/transition-stage", addresses.Owner.CONTROLLER),
        ("/api/2.1/unity-catalog/permissions/function/a.b.c", addresses.Owner.CONTROLLER),
        ("/api/2.0/preview/scim/v2/Me", addresses.Owner.CONTROLLER),
        ("/api/2.0/preview/scim/v3/Users", None),
        ("/health", addresses.Owner.GATEWAY),
        ("/healthz", None),
        ("/internal/stop", None),
        ("/graphql", None),
        ("/", None),
    ],
)
def test_prefix_table(path: str, owner: addresses.Owner | None) -> None:
    row = addresses.find(path)
    assert (row.owner if row else None) is owner
