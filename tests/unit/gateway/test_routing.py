"""Routing, splitting and the sentences it refuses with: pure functions, so every case is a line."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_modelserve.errors import MethodNotAllowed, NotFound, Unavailable
from jupyter_modelserve.gateway.routing import Route, parse, resolve, split
from jupyter_modelserve.types import RouteEntity, RouteModel, RouteTable, RouteTarget, RouteVersion, VersionState

READY, LOADING, FAILED = VersionState.READY, VersionState.LOADING, VersionState.FAILED


def target(name: str, model: str = "iris", version: str = "1") -> RouteTarget:
    return RouteTarget(name, model, version, f"unix:/run/{name}.sock", "key", 4, 16, 120.0)


TABLE = RouteTable(
    7,
    {"a": target("a"), "b": target("b"), "c": target("c", version="2"), "d": target("d", "main.ml.iris")},
    {
        "iris": RouteModel(
            {
                "1": RouteVersion(READY, ("a", "b")),
                "2": RouteVersion(READY, ("c",)),
                "3": RouteVersion(FAILED, (), "out of memory"),
                "4": RouteVersion(LOADING),
            },
            {"Champion": "2", "Gone": "9"},
            {"Production": "1", "Staging": "4"},
        ),
        "main.ml.iris": RouteModel({"1": RouteVersion(READY, ("d",))}, {"Production": "1"}),
    },
    {
        "mixed": (RouteEntity("old", "iris", "1", 90), RouteEntity("new", "iris", "2", 10)),
        "canary-down": (RouteEntity("old", "iris", "1", 90), RouteEntity("new", "iris", "3", 10)),
        "idle": (RouteEntity("old", "iris", "1", 0),),
        "empty": (),
    },
)


def go(path: str, seed: int = 0) -> Route:
    return resolve(TABLE, parse(path, "POST"), random.Random(seed))


@pytest.mark.req("REQ-015", "REQ-016", "REQ-171")
@pytest.mark.parametrize(
    ("path", "targets", "version"),
    [
        ("/model/iris/1/invocations", ("a", "b"), "1"),
        ("/model/iris/01/invocations/", ("a", "b"), "1"),
        ("/model/iris/Champion/invocations", ("c",), "2"),
        ("/model/iris/PRODUCTION/invocations", ("a", "b"), "1"),
        ("/model-endpoint/iris/production/invocations", ("a", "b"), "1"),
        ("/model/main.ml.iris/Production/invocations", ("d",), "1"),  # three levels have no stages: an alias
    ],
)
def test_addresses_find_their_targets(path: str, targets: tuple[str, ...], version: str) -> None:
    route = go(path)
    assert (tuple(each.id for each in route.targets), route.version) == (targets, version)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/model/rose/1/invocations", "served models are iris, main.ml.iris"),
        ("/model/iris/8/invocations", "version 8 of 'iris' is not served; served are 1, 2, 3, 4, @Champion"),
        ("/model/iris/Gone/invocations", "names version 9, which no endpoint serves"),
        ("/model/iris/Archived/invocations", "stage 'Archived'"),
        ("/model-endpoint/iris/2/invocations", "'2' is not a stage"),
        ("/serving-endpoints/nope/invocations", "served endpoints are mixed"),
    ],
)
def test_what_is_unknown_names_what_is_served(path: str, words: str) -> None:
    with pytest.raises(NotFound, match=words.replace("(", r"\(")):
        go(path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/model/iris/3/invocations", r"not ready \(FAILED\): out of memory"),
        ("/model/iris/Staging/invocations", r"version 4 of 'iris' is not ready \(LOADING\)"),
        ("/serving-endpoints/idle/invocations", "old has no traffic"),
        ("/serving-endpoints/empty/invocations", "no served entities"),
    ],
)
def test_what_is_not_ready_says_why_and_when_to_return(path: str, words: str) -> None:
    with pytest.raises(Unavailable, match=words) as caught:
        go(path)
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 1


@pytest.mark.parametrize(
    "path", ["/model/iris/invocations", "/model//1/invocations", "/model/a/b/c/invocations", "/model/"]
)
def test_other_forms_are_not_found_and_show_the_right_one(path: str) -> None:
    with pytest.raises(NotFound, match="POST /model/<name>"):
        parse(path, "POST")


def test_only_post_scores() -> None:
    with pytest.raises(MethodNotAllowed) as caught:
        parse("/model/iris/1/invocations", "GET")
    assert caught.value.details == {"allow": ["POST"]}


def test_a_share_that_is_not_ready_goes_to_the_others() -> None:
    assert {go("/serving-endpoints/canary-down/invocations", seed).entity for seed in range(50)} == {"old"}


@given(st.lists(st.integers(1, 100), min_size=1, max_size=6), st.floats(0, 1, exclude_max=True))
def test_a_split_follows_the_weights(weights: list[int], point: float) -> None:
    class Fixed:
        def random(self) -> float:
            return point

    routes = [(weight, Route((target("a"),), "m", "1", str(place))) for place, weight in enumerate(weights)]
    chosen = int(split(routes, Fixed()).entity)
    assert sum(weights[:chosen]) <= point * sum(weights) + 1e-6
    assert point * sum(weights) < sum(weights[: chosen + 1]) + 1e-6


@given(st.text(max_size=40), st.text(max_size=10))
def test_no_path_breaks_the_parser_or_the_table(name: str, segment: str) -> None:
    with contextlib.suppress(NotFound, Unavailable):
        address = parse(f"/model/{name}/{segment}/invocations", "POST")
        assert resolve(TABLE, address, random.Random(1)).targets


def test_an_endpoint_is_answered_by_its_own_workers_and_nobody_elses() -> None:
    """Another endpoint's have other variables and secrets (REQ-140)."""
    own = {"staging": RouteVersion(READY, ("a",)), "prod": RouteVersion(READY, ("b",))}
    own |= {"failed": RouteVersion(FAILED, (), "out of memory"), "zero": RouteVersion(LOADING, wakes=True)}
    endpoints: dict[str, tuple[RouteEntity, ...]] = {
        name: (RouteEntity("main", "iris", "1", 100, own=each),) for name, each in own.items()
    }
    table = RouteTable(1, TABLE.targets, TABLE.models, endpoints)

    def targets(name: str) -> list[str]:
        found = resolve(table, parse(f"/serving-endpoints/{name}/invocations", "POST"), random.Random(0))
        return [each.id for each in found.targets]

    assert (targets("staging"), targets("prod"), targets("zero")) == (["a"], ["b"], [])
    with pytest.raises(Unavailable, match="out of memory"):
        targets("failed")
    assert [
        each.id for each in resolve(table, parse("/model/iris/1/invocations", "POST"), random.Random(0)).targets
    ] == [
        "a",
        "b",
    ]
