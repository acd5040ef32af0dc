"""From the planner's choice to the table the gateway reads and the status the user reads."""

from __future__ import annotations

import pytest

from jupyter_modelserve.controller.endpoints.routes import RouteBook, build, contribute
from jupyter_modelserve.controller.endpoints.selection import explain_nothing, select
from jupyter_modelserve.controller.endpoints.specification import complete
from jupyter_modelserve.controller.endpoints.status import derive, version_state
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.settings import Settings
from jupyter_modelserve.types import (
    EndpointSpec,
    RouteTable,
    Selector,
    SelectorKind,
    ServedEntity,
    ServiceState,
    UpdateState,
    VersionState,
    WorkloadSize,
)
from tests.unit.endpoints.world import World, desired, entity, model, version


def routes_of(world: World, want: object) -> RouteTable:
    observed = world.observe()
    states = {key: (version_state(key, observed)[0], "") for key in select(want).keys}  # type: ignore[arg-type]
    part = contribute(want.spec, world.routed, world.workers, states, Settings(), {})  # type: ignore[attr-defined]
    return build(7, [("iris", part)])


@pytest.mark.req("REQ-015", "REQ-016")
def test_the_table_reaches_a_version_by_number_alias_and_stage() -> None:
    world = World()
    want = desired(model(version(1, "Production"), version(2), aliases={"Champion": "1"}))
    world.settle(want)
    table = routes_of(world, want)
    assert table.number == 7
    assert table.models["iris"].stages["Production"] == "1"
    assert table.models["iris"].aliases == {"Champion": "1"}
    assert table.models["iris"].versions["2"].targets == ("r0.w-iris-2",)
    assert table.targets["r0.w-iris-1"].concurrency == WorkloadSize.SMALL.concurrency
    assert table.endpoints["iris"][0].version == "2"


def test_a_version_on_its_way_is_in_the_table_with_its_state() -> None:
    world = World()
    want = desired(model(version(1)))
    world.step(want)
    table = routes_of(world, want)
    assert table.models["iris"].versions["1"].state is VersionState.BUILDING
    assert table.models["iris"].versions["1"].targets == ()


def test_the_book_counts_only_real_changes() -> None:
    world = World()
    want = desired(model(version(1)))
    world.settle(want)
    book = RouteBook(RouteTable(41))
    part = contribute(want.spec, world.routed, world.workers, {}, Settings(), {})
    assert book.put("iris", part)
    assert not book.put("iris", part)
    assert book.table.number == 42
    assert book.put("iris", None)
    assert book.table.number == 43


def test_two_endpoints_that_serve_one_version_are_targets_side_by_side() -> None:
    world = World()
    want = desired(model(version(1)))
    world.settle(want)
    part = contribute(want.spec, world.routed, world.workers, {}, Settings(), {})
    other = {key: f"{group[0]}-b" for key, group in world.routed.workers.items()}
    second = type(part)(
        part.entities,
        {f"{name}-b": each for name, each in part.targets.items()},
        {key: type(each)(each.state, (other[key],)) for key, each in part.versions.items()},
        part.labels,
    )
    table = build(1, [("a", part), ("b", second)])
    assert table.models["iris"].versions["1"].targets == ("r0.w-iris-1", "r0.w-iris-1-b")


@pytest.mark.req("REQ-167", "REQ-191", "REQ-192")
def test_the_two_tracks_move_apart() -> None:
    world = World()
    follow = entity(SelectorKind.ALIAS, "Champion")
    first = desired(model(version(1), aliases={"Champion": "1"}), follow)
    world.step(first)
    status = derive(first, world.observe(), {}, "http://h")
    assert (status.service, status.update) == (ServiceState.PENDING, UpdateState.IN_PROGRESS)
    world.settle(first)
    status = derive(first, world.observe(), {}, "http://h")
    assert (status.service, status.update) == (ServiceState.READY, UpdateState.NOT_UPDATING)
    assert status.versions[0].urls == ("http://h/model/iris/1/invocations", "http://h/model/iris/Champion/invocations")
    world.broken.add(("iris", "2"))
    moved = desired(model(version(1), version(2), aliases={"Champion": "2"}), follow)
    world.settle(moved)
    status = derive(moved, world.observe(), {}, "http://h")
    assert (status.service, status.update) == (ServiceState.READY, UpdateState.UPDATE_FAILED)
    assert "version 2: it does not load" in status.update_message


def test_a_first_version_that_fails_is_failed_with_its_reason() -> None:
    world = World(broken={("iris", "1")})
    want = desired(model(version(1)))
    world.settle(want)
    status = derive(want, world.observe(), {}, "http://h")
    assert (status.service, status.service_message) == (ServiceState.FAILED, "it does not load")


@pytest.mark.parametrize(
    ("chosen", "text"),
    [
        (entity(SelectorKind.ALIAS, "Gold"), "no alias 'Gold' (its aliases: Champion)"),
        (entity(SelectorKind.VERSION, "9"), "no version 9"),
        (entity(SelectorKind.STAGE, "Staging"), "no version in stage Staging"),
    ],
)
def test_nothing_selected_says_why(chosen: ServedEntity, text: str) -> None:
    assert text in explain_nothing(chosen, model(version(1), aliases={"Champion": "1"}))
    assert "is not registered" in explain_nothing(chosen, None)


def spec(*entities: ServedEntity, **fields: object) -> EndpointSpec:
    return EndpointSpec("iris", entities, **fields)  # type: ignore[arg-type]


def test_a_specification_is_completed() -> None:
    done = complete(spec(ServedEntity("iris", Selector(SelectorKind.STAGE, "production"), traffic=5)))
    assert done.entities[0] == ServedEntity("iris", Selector(SelectorKind.STAGE, "Production"), "iris-Production", 100)
    done = complete(spec(ServedEntity("a.b.c", Selector(SelectorKind.VERSION, "007"))))
    assert done.entities[0].selector.value == "7"
    assert done.entities[0].name == "a-b-c-7"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (spec(), "entities"),
        (spec(*[ServedEntity("iris", Selector(SelectorKind.ACTIVE), str(n)) for n in range(11)]), "entities"),
        (spec(ServedEntity("iris", Selector(SelectorKind.VERSION, "x"))), "entities.0.selector"),
        (spec(ServedEntity("iris", Selector(SelectorKind.ALIAS))), "entities.0.selector"),
        (spec(ServedEntity("iris", Selector(SelectorKind.STAGE, "Gold"))), "entities.0.selector"),
        (spec(ServedEntity("a.b.c", Selector(SelectorKind.STAGE, "Staging"))), "entities.0.selector"),
        (spec(ServedEntity("iris", Selector(SelectorKind.ALIAS, "7"))), "alias"),
        (spec(ServedEntity("a/b", Selector(SelectorKind.ACTIVE))), "model"),
        (spec(ServedEntity("iris", Selector(SelectorKind.ACTIVE)), request_timeout=0.0), "request_timeout"),
        (
            spec(
                ServedEntity("iris", Selector(SelectorKind.VERSION, "1"), traffic=50),
                ServedEntity("iris", Selector(SelectorKind.VERSION, "2"), traffic=60),
            ),
            "entities",
        ),
    ],
)
def test_a_wrong_specification_names_the_field(wrong: EndpointSpec, field: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        complete(wrong)
    assert field in caught.value.message or caught.value.details["field"] == field


@pytest.mark.req("REQ-070", "REQ-129")
def test_an_endpoint_that_pins_a_version_takes_no_name_from_one_that_follows_it() -> None:
    versions = (version(1), version(3))
    follow, pin = World(), World()
    followed = desired(model(*versions, aliases={"A": "1"}), entity(SelectorKind.ALIAS, "A"))
    pinned = desired(model(*versions, aliases={"A": "3"}), entity(SelectorKind.VERSION, "1"))
    follow.settle(followed)
    pin.settle(pinned)
    moved = desired(model(*versions, aliases={"A": "3"}), entity(SelectorKind.ALIAS, "A"))
    for _ in range(20):
        follow.step(moved)
        parts = []
        for name, world, want in (("aa", pin, pinned), ("zz", follow, moved)):
            observed = world.observe()
            selection = select(want)
            states = {key: (version_state(key, observed)[0], "") for key in selection.keys}
            labels = selection.follows.values()
            parts.append((name, contribute(want.spec, world.routed, world.workers, states, Settings(), {}, labels)))
        for order in (parts, parts[::-1]):
            table = build(1, order)
            answering = table.models["iris"].versions[table.models["iris"].aliases["A"]]
            assert answering.targets, "the alias can always be answered"
        follow.progress()
        follow.acknowledged = follow.number
    assert build(1, parts).models["iris"].aliases["A"] == "3"


def test_an_alias_that_is_gone_is_a_failure_and_an_empty_stage_is_waiting() -> None:
    world = World()
    gone = desired(model(version(1)), entity(SelectorKind.ALIAS, "Champion"))
    assert derive(gone, world.observe(), {}, "http://h").service is ServiceState.FAILED
    empty = desired(model(version(1)), entity(SelectorKind.STAGE, "Staging"))
    assert derive(empty, world.observe(), {}, "http://h").service is ServiceState.PENDING


@pytest.mark.req("REQ-001")
def test_an_endpoint_answers_with_the_old_name_until_the_new_one_is_loaded() -> None:
    world = World()
    world.settle(desired(model(version(1))))
    renamed = desired(model(version(1, model="flowers"), name="flowers"), entity(SelectorKind.ACTIVE, model="flowers"))
    for _ in range(12):
        world.step(renamed)
        table = routes_of(world, renamed)
        (shown,) = table.endpoints["iris"]
        assert shown.version is not None
        assert table.models[shown.model].versions[shown.version].targets, "it can be scored all the time"
        world.progress()
        world.acknowledged = world.number
    assert shown.model == "flowers"
    assert "iris" not in table.models
