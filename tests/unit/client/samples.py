"""A stand-in for the instance: the REST contract as far as these tests need it, on httpx's MockTransport."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from jupyter_modelserve.checked import Check
from jupyter_modelserve.client.address import Address
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.types import (
    Cause,
    Endpoint,
    EndpointSpec,
    EndpointStatus,
    Failure,
    Model,
    ModelVersion,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    VersionState,
    VersionStatus,
    to_json,
)

URL = "http://127.0.0.1:8123"
TOKEN = "ms_secret-of-the-tests"
ADDRESS = Address(URL, TOKEN)


def version_status(version: str = "1", state: VersionState = VersionState.READY, model: str = "iris") -> VersionStatus:
    failure = Failure(Cause.MISSING_MODULE, "no module named x", "add x") if state is VersionState.FAILED else None
    return VersionStatus(model, version, "e", state, serving=state is VersionState.READY, failure=failure)


def endpoint(
    name: str = "iris",
    service: ServiceState = ServiceState.READY,
    update: UpdateState = UpdateState.NOT_UPDATING,
    generation: int = 1,
    observed: int = 1,
    versions: tuple[VersionStatus, ...] = (version_status(),),
    selector: Selector | None = None,
) -> Endpoint:
    entity = ServedEntity("iris", selector or Selector(SelectorKind.ALIAS, "Champion"))
    status = EndpointStatus(service, "", update, "", observed, versions)
    return Endpoint(EndpointSpec(name, (entity,)), generation, 0, 0, "me", status)


def model(name: str = "iris", aliases: dict[str, str] | None = None, versions: tuple[str, ...] = ("2", "1")) -> Model:
    found = tuple(
        ModelVersion(name, each, "None", f"mlflow-artifacts:/0/models/m-{each}/artifacts", "", "", 0)
        for each in versions
    )
    return Model(name, "", 0, 0, {"Champion": "1"} if aliases is None else aliases, {}, found)


def error(status: int, code: str, message: str, **headers: str) -> httpx.Response:
    body = {"error_code": code, "message": message, "details": {}, "request_id": "r-1"}
    return httpx.Response(status, json=body, headers=headers)


@dataclass
class Instance:
    """Answers requests and remembers them. ``statuses`` is what the endpoint shows, one after the other."""

    statuses: list[Endpoint] = field(default_factory=lambda: [endpoint()])
    models: list[Model] = field(default_factory=lambda: [model()])
    predict: Callable[[Any], Any] = lambda body: {"predictions": [0] * len(next(iter(body.values())))}
    stream: bool = False
    checks: list[Check] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def client(self) -> Client:
        return Client(ADDRESS, transport=self.transport)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error(401, "UNAUTHENTICATED", "no token")
        if path.endswith("/invocations"):
            return self._score(request, path)
        if path.startswith("/api/2.0/mlflow-artifacts/"):
            return httpx.Response(200, json={"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}})
        return self._api(request, path.removeprefix("/api/modelserve/v1/").split("/"))

    def _score(self, request: httpx.Request, path: str) -> httpx.Response:
        if path.startswith("/serving-endpoints/") and path.split("/")[2] not in {
            each.spec.name for each in self.statuses
        }:
            return error(404, "RESOURCE_DOES_NOT_EXIST", "no such endpoint")
        body = (
            json.loads(request.content)
            if request.headers["content-type"].startswith("application/json")
            else request.content
        )
        headers = {"x-modelserve-model": "iris", "x-modelserve-version": "1", "x-request-id": "r-9"}
        return httpx.Response(200, json=self.predict(body), headers=headers)

    def _api(self, request: httpx.Request, parts: list[str]) -> httpx.Response:
        names = {each.spec.name for each in self.statuses}
        if parts[-1] == "check" or parts[0] == "checks":
            check = self.checks.pop(0) if len(self.checks) > 1 else self.checks[0]
            return httpx.Response(200, json={"check": to_json(check)})
        if parts[0] == "models":
            if len(parts) == 1:
                return httpx.Response(200, json={"models": to_json(self.models)})
            found = [each for each in self.models if each.name == parts[1]]
            return (
                httpx.Response(200, json=to_json(found[0]))
                if found
                else error(404, "RESOURCE_DOES_NOT_EXIST", "no model")
            )
        if parts[0] == "interpreters":
            return httpx.Response(200, json=json.loads(request.content))
        if parts[0] != "endpoints":
            return error(404, "RESOURCE_DOES_NOT_EXIST", "no such address")
        if len(parts) == 1:
            return httpx.Response(200, json={"endpoints": to_json(self.statuses[:1])})
        if request.method == "PUT":
            spec = json.loads(request.content)
            self.statuses = [replace(each, spec=replace(each.spec, name=spec["name"])) for each in self.statuses]
            return httpx.Response(202, json=to_json(self.statuses[0]))
        if parts[1] not in names:
            return error(404, "RESOURCE_DOES_NOT_EXIST", f"endpoint {parts[1]!r} does not exist")
        if request.method == "DELETE":
            last, self.statuses = self.statuses[0], []
            return httpx.Response(202, json=to_json(replace(last, deleting=True)))
        if parts[-1] == "events":
            return self._events(request)
        if parts[-1] == "logs":
            number = request.url.params.get("version", "all")
            return httpx.Response(200, json={"logs": f"line of {number}\n", "lines": [], "next": "cursor"})
        return httpx.Response(200, json=to_json(self._next()))

    def _next(self) -> Endpoint:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]

    def _events(self, request: httpx.Request) -> httpx.Response:
        if "text/event-stream" not in request.headers.get("accept", "") or not self.stream:
            return httpx.Response(200, json={"events": []})
        text = ": ping\n\n" + "".join(f"event: status\ndata: {json.dumps(to_json(each))}\n\n" for each in self.statuses)
        self.statuses = self.statuses[-1:]
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})
