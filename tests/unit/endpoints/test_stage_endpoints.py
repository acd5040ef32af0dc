"""The sources' two status objects, derived from ours (REQ-167, REQ-169, REQ-170, REQ-190 to REQ-192)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jupyter_modelserve.controller.api.faces import stage_endpoints as stages
from jupyter_modelserve.errors import Conflict, InvalidParameter, NotFound
from jupyter_modelserve.types import (
    Cause,
    Endpoint,
    EndpointSpec,
    EndpointStatus,
    EngineChoice,
    Failure,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    VersionState,
    VersionStatus,
)

S, U, V = ServiceState, UpdateState, VersionState
SMALL = {"workload_size_id": "Small", "scale_to_zero_enabled": False}
LARGE = {"workload_size_id": "Large", "scale_to_zero_enabled": True}


def _endpoint(service: ServiceState, update: UpdateState, *versions: VersionStatus) -> Endpoint:
    status = EndpointStatus(service, "why", update, "", 1, versions)
    return Endpoint(stages.enabled("iris", "ana"), 1, 1, 1, "ana", status)


def _version(number: str, stage: str, state: VersionState, *, serving: bool = False, failed: str = "") -> VersionStatus:
    failure = Failure(Cause.LOAD_FAILED, failed) if failed else None
    labels = (stage,) if serving else ()
    return VersionStatus("iris", number, stage, state, labels, serving, failure=failure)


@pytest.mark.req("REQ-164", "REQ-169", "REQ-170", "REQ-182")
def test_enabling_serves_both_stages() -> None:
    spec = stages.enabled("iris", "ana")
    assert [(str(each.selector), each.traffic) for each in spec.entities] == [
        ("stage=Staging", 0), ("stage=Production", 100),
    ]  # fmt: skip
    config = stages.compute(spec, "Staging").config()
    assert (config["stage"], config["user_id"], config["workload_spec"]) == ("Staging", "ana", SMALL)
    assert config["creation_timestamp"] > 0


@pytest.mark.req("REQ-011", "REQ-140", "REQ-164")
def test_enabling_what_is_served_already_keeps_what_else_it_has() -> None:
    classic = EndpointSpec(
        "iris",
        (ServedEntity("iris", Selector(SelectorKind.ACTIVE)),),
        request_timeout=7,
        tags={"team": "a"},
        engine=EngineChoice.DOCKER,
        environment_vars={"REGION": "eu"},
        secrets=("API_KEY",),
    )
    found = stages.enabled("iris", "ana", classic)
    assert found.entities == stages.enabled("iris", "ana").entities
    assert set(found.tags) == {"team", stages.TAG + "Staging", stages.TAG + "Production"}
    assert replace(found, entities=classic.entities, tags=classic.tags) == classic
    assert stages.enabled("iris", "bob", found) is found, "it is enabled already"
    with pytest.raises(Conflict, match="another model"):
        stages.enabled(
            "iris", "ana", replace(classic, entities=(ServedEntity("other", Selector(SelectorKind.ACTIVE)),))
        )


@pytest.mark.req("REQ-191")
@pytest.mark.parametrize(
    ("service", "versions", "state", "message"),
    [
        (S.PENDING, (), "PENDING", "why"),
        (S.FAILED, (_version("1", "Staging", V.FAILED, failed="x"),), "FAILED", "why"),
        (S.PENDING, (_version("1", "Staging", V.LOADING),), "PENDING", "why"),
        # One stage is enough, whatever the other one does.
        (S.FAILED, (_version("1", "Staging", V.READY, serving=True),), "READY", "Ready"),
        (S.PENDING, (_version("1", "Staging", V.READY, serving=True),), "READY", "Ready"),
    ],
)
def test_health_is_that_of_the_best_stage(
    service: ServiceState, versions: tuple[VersionStatus, ...], state: str, message: str
) -> None:
    found = stages.endpoint_status(_endpoint(service, U.NOT_UPDATING, *versions), "iris")
    assert (found["registered_model_name"], found["state"], found["state_message"]) == ("iris", state, message)
    assert [each["stage"] for each in found["compute_config"]] == ["Staging", "Production"]


@pytest.mark.req("REQ-167", "REQ-192")
@pytest.mark.parametrize(
    ("version", "update", "service", "change"),
    [
        (_version("1", "Staging", V.LOADING), U.IN_PROGRESS, ("PENDING", "Pending"), ("PENDING", "Pending")),
        (_version("1", "Staging", V.READY), U.IN_PROGRESS, ("PENDING", "Pending"), ("PENDING", "Pending")),
        (
            _version("1", "Staging", V.READY, serving=True), U.IN_PROGRESS,
            ("READY", "Ready"), ("PENDING", "Pending"),
        ),
        (_version("1", "Staging", V.READY, serving=True), U.NOT_UPDATING, ("READY", "Ready"), ("READY", "Ready")),
        (_version("1", "Staging", V.FAILED, failed="no x"), U.UPDATE_FAILED, ("FAILED", "no x"), ("FAILED", "no x")),
        # It serves with what it had, while the change has failed.
        (
            _version("1", "Staging", V.FAILED, serving=True, failed="no x"), U.UPDATE_FAILED,
            ("READY", "Ready"), ("FAILED", "no x"),
        ),
    ],
)  # fmt: skip
def test_two_tracks(
    version: VersionStatus, update: UpdateState, service: tuple[str, str], change: tuple[str, str]
) -> None:
    [found] = stages.version_statuses(_endpoint(S.READY, update, version), "iris")
    tracks = [found[name] for name in ("service_status", "config_update_status")]
    assert [(each["state"], each["message"]) for each in tracks] == [
        (f"SERVICE_STATE_{state}", message) for state, message in (service, change)
    ]
    assert all(each["config"]["stage"] == "Staging" for each in tracks)


@pytest.mark.req("REQ-166", "REQ-167", "REQ-168")
def test_a_new_configuration_is_shown_beside_the_one_that_serves() -> None:
    version = _version("1", "Production", V.READY, serving=True)
    endpoint = _endpoint(S.READY, U.IN_PROGRESS, version)
    spec = stages.reconfigured(endpoint.spec, "Production", LARGE, "bob")
    assert [each.workload_size.value for each in spec.entities] == ["Small", "Large"]
    [under_way] = stages.version_statuses(replace(endpoint, spec=spec), "iris")
    assert under_way["service_status"]["config"]["workload_spec"] == SMALL
    assert under_way["config_update_status"]["config"]["workload_spec"] == LARGE
    done = replace(endpoint, spec=spec, status=replace(endpoint.status, update=U.NOT_UPDATING))
    [after] = stages.version_statuses(done, "iris")
    assert after["service_status"]["config"]["workload_spec"] == LARGE
    assert stages.compute(spec, "Production").by == "bob"
    assert stages.reconfigured(spec, "Production", LARGE, "eve") == spec, "nothing changed"
    assert stages.compute(spec, "Staging").workload == SMALL


@pytest.mark.req("REQ-190")
def test_aliases_name_what_answers_now() -> None:
    versions = (_version("3", "Production", V.LOADING), _version("2", "Production", V.READY, serving=True))
    found = stages.version_aliases(_endpoint(S.READY, U.IN_PROGRESS, *versions))
    assert found == [{"alias": "Production", "endpoint_version_name": "2"}]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (None, "desired_workload_config_spec"),
        ({"workload_size_id": "small"}, "workload_size_id"),
        ({"workload_size_id": ["Small"]}, "workload_size_id"),
        ({"scale_to_zero_enabled": 1}, "scale_to_zero_enabled"),
    ],
)
def test_what_cannot_be_configured(wanted: Any, field: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        stages.reconfigured(stages.enabled("iris", "ana"), "Staging", wanted, "ana")
    assert caught.value.details == {"field": field}


def test_only_its_own_endpoint_is_found() -> None:
    classic = EndpointSpec("iris", (ServedEntity("iris", Selector(SelectorKind.ACTIVE)),))
    endpoint = _endpoint(S.READY, U.NOT_UPDATING)
    assert stages.find([replace(endpoint, spec=classic), endpoint], "iris") is endpoint
    for known in ([], [replace(endpoint, spec=classic)], [replace(endpoint, deleting=True)]):
        with pytest.raises(NotFound, match="not enabled"):
            stages.find(known, "iris")
