"""Variables, secrets, tags and kinds of processor: what is refused, and that a refusal never repeats a value."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jupyter_modelserve.controller.endpoints import variables
from jupyter_modelserve.controller.endpoints.compute import labels_of, shown, table
from jupyter_modelserve.controller.endpoints.effects import Effects
from jupyter_modelserve.controller.endpoints.specification import complete
from jupyter_modelserve.controller.endpoints.variables import check_room
from jupyter_modelserve.controller.store.secrets import Secret
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import (
    CostClass,
    EndpointSpec,
    Environment,
    EnvironmentKind,
    Selector,
    SelectorKind,
    ServedEntity,
    VersionState,
    VersionStatus,
    WorkloadSize,
    WorkloadType,
)
from tests.support.fake_engine import FakeEngine

ENTITY = ServedEntity("m", Selector(SelectorKind.ACTIVE), "m-active")
SPEC = EndpointSpec("e", (ENTITY,))


@pytest.mark.req("REQ-140")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"environment_vars": {"1X": "hidden-value"}}, "environment_vars"),
        ({"environment_vars": {"A B": "hidden-value"}}, "environment_vars"),
        ({"environment_vars": {"LD_PRELOAD": "hidden-value"}}, "environment_vars"),
        ({"environment_vars": {"PythonPath": "hidden-value"}}, "environment_vars"),
        ({"environment_vars": {"PATH": "hidden-value"}}, "environment_vars"),
        *(
            ({"environment_vars": {name: "hidden-value"}}, "environment_vars")
            for name in ("BASH_ENV", "GCONV_PATH", "OPENSSL_CONF", "OMP_TOOL_LIBRARIES", "JAVA_TOOL_OPTIONS")
        ),
        ({"environment_vars": {"X": "hidden-value\0"}}, "environment_vars"),
        ({"environment_vars": {"X": "hidden-value\ud800"}}, "environment_vars"),
        ({"environment_vars": {"KEY=hidden-value": ""}}, "environment_vars"),
        ({"environment_vars": {"KEY:hidden-value": ""}}, "environment_vars"),
        ({"secrets": ("KEY=hidden-value",)}, "secrets.0"),
        ({"secrets": ("KEY", "KEY: hidden-value")}, "secrets.1"),
        ({"secrets": ("hidden-value",)}, "secrets.0"),
        ({"secrets": ("MODELSERVE_TOKEN",)}, "secrets.0"),
        ({"environment_vars": {"X": "hidden-value"}, "secrets": ("X",)}, "secrets"),
        ({"environment_vars": {f"X{n}": "hidden-value" for n in range(101)}}, "environment_vars"),
        ({"tags": {"": "hidden-value"}}, "tags"),
        ({"tags": {"a\nb": "hidden-value"}}, "tags"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        complete(replace(SPEC, **fields))
    assert caught.value.details == {"field": field}
    assert "hidden-value" not in caught.value.message


def test_common_names_can_be_set_and_the_page_lists_all_others() -> None:
    assert complete(replace(SPEC, environment_vars={"ENV": "prod", "env": "x"})).environment_vars["ENV"] == "prod"
    page = (Path(__file__).parents[3] / "docs/how-to/variables-and-secrets.md").read_text(encoding="utf-8")
    limits = page.partition("## Limits")[2]
    assert [name for name in (*variables._BEGINNINGS, *variables._NAMES) if f"`{name}`" not in limits] == []


def test_values_have_room_in_one_line() -> None:
    check_room({"A": "x" * 1000}, {"B": "y"})
    with pytest.raises(InvalidParameter, match="32 KiB"):
        check_room({"A": "x" * 20_000}, {"B": "y" * 20_000})
    for value in ("", "a\0", "a\udc80", "\ud800"):
        with pytest.raises(InvalidParameter, match="B is empty or holds"):
            check_room({}, {"B": value})


def test_names_of_secrets_are_sorted_so_that_the_same_is_the_same() -> None:
    assert complete(replace(SPEC, secrets=("B", "A", "B"))).secrets == ("A", "B")


@pytest.mark.req("REQ-119", "REQ-138")
@pytest.mark.parametrize("kind", [each for each in WorkloadType if each is not WorkloadType.CPU])
def test_a_gpu_is_refused_with_what_it_would_be(kind: WorkloadType) -> None:
    spec = replace(SPEC, entities=(replace(ENTITY, workload_type=kind),))
    with pytest.raises(InvalidParameter) as caught:
        complete(spec)
    assert kind.value in caught.value.message
    assert kind.hardware in caught.value.message
    assert "not available here" in caught.value.message
    assert caught.value.details == {"field": "entities.0.workload_type"}


@pytest.mark.req("REQ-119")
def test_the_sources_memory_of_each_kind() -> None:
    memory = {kind: kind.hardware.rpartition(", ")[2] for kind in WorkloadType if kind is not WorkloadType.CPU}
    assert list(memory.values()) == ["16 GB", "24 GB", "96 GB", "192 GB"]


@pytest.mark.req("REQ-010")
def test_what_is_always_there_costs_as_all_purpose() -> None:
    sizes = table(Settings().workload_sizes)
    idle = replace(ENTITY, name="z", scale_to_zero=True, workload_size=WorkloadSize.MEDIUM, memory_gb=3)
    environment = Environment("k", EnvironmentKind.IMAGE, "/python", "3.11", image="i")
    served = VersionStatus("m", "1", "z", VersionState.READY, environment=environment)
    first, second = shown(replace(SPEC, entities=(ENTITY, idle)), sizes, [served])
    assert (first.cost_class, first.concurrency, first.memory_gb, first.limited) == (
        CostClass.ALL_PURPOSE,
        4,
        16,
        False,
    )
    assert (second.cost_class, second.concurrency, second.memory_gb) == (CostClass.ON_DEMAND, 16, 3)
    assert second.limited


@pytest.mark.req("REQ-049")
def test_labels_are_the_users_tags_and_not_ours() -> None:
    spec = replace(SPEC, tags={"team": "a", "modelserve.compute.Production": "{}", "cost": "1"})
    assert labels_of(spec) == (("cost", "1"), ("team", "a"))


@pytest.mark.req("REQ-140")
def test_another_value_is_another_worker_and_no_value_is_in_the_key() -> None:
    effects = Effects(FakeEngine(), Settings())
    plain = effects.settings_key(SPEC, {})
    first = effects.settings_key(SPEC, {"K": Secret("r1", "hidden-value")})
    second = effects.settings_key(SPEC, {"K": Secret("r2", "hidden-value")})
    assert len({plain, first, second, effects.settings_key(replace(SPEC, environment_vars={"A": "1"}), {})}) == 4
    assert "hidden-value" not in first
    assert "hidden-value" not in repr(Secret("r1", "hidden-value"))
