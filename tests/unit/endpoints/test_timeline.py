"""The timeline of a version: every step ends, and a version that was found running tells its own story."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_modelserve.controller.endpoints.timeline import Timeline
from jupyter_modelserve.types import Phase, VersionState

MEASURED = (Phase("start", 0.1, True), Phase("load", 0.2, True), Phase("probe", 0.3, True), Phase("ready", 0.0, True))


@dataclass
class Clock:
    """Seconds that only a test moves."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def shown(timeline: Timeline, measured: tuple[Phase, ...] = ()) -> list[tuple[str, float, bool]]:
    return [(each.name, round(each.seconds, 3), each.done) for each in timeline.phases(measured)]


def test_the_steps_of_a_new_version_and_their_sum() -> None:
    clock = Clock()
    timeline = Timeline(clock)
    for name in ("resolve", "environment"):
        timeline.enter(name)
        clock.now += 1
    timeline.end()
    for state in (VersionState.STARTING, VersionState.LOADING, VersionState.PROBING):
        timeline.follow(state)
        clock.now += 1
    assert shown(timeline)[-1] == ("probe", 1, False)
    timeline.follow(VersionState.READY)
    clock.now += 60
    names = ["resolve", "environment", "start", "load", "probe", "ready"]
    assert [(name, done) for name, _, done in shown(timeline, MEASURED)] == [(name, True) for name in names]
    assert shown(timeline, MEASURED)[2:] == [
        ("start", 0.1, True), ("load", 0.2, True), ("probe", 0.3, True), ("ready", 5, True),
    ]  # fmt: skip


def test_a_version_that_was_found_running_shows_what_it_measured_and_nothing_unfinished() -> None:
    clock = Clock()
    timeline = Timeline(clock, running=True)
    timeline.enter("resolve")
    timeline.follow(VersionState.READY)
    timeline.enter("environment")
    timeline.follow(VersionState.READY)
    assert ("environment", 0, False) in shown(timeline, MEASURED), "while it is prepared anew, that is told"
    timeline.end()
    clock.now += 60
    timeline.follow(VersionState.READY)
    assert shown(timeline, MEASURED) == [
        ("start", 0.1, True), ("load", 0.2, True), ("probe", 0.3, True), ("ready", 0.6, True),
    ]  # fmt: skip


def test_what_replaces_a_running_version_has_steps_of_its_own() -> None:
    clock = Clock()
    timeline = Timeline(clock, running=True)
    timeline.enter("resolve")
    timeline.end()
    timeline.follow(VersionState.STARTING)
    clock.now += 2
    timeline.follow(VersionState.READY)
    assert shown(timeline) == [("resolve", 0, True), ("start", 2, True), ("ready", 2, True)]
