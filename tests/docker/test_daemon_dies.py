"""R7 and R8: the Docker daemon dies under a whole instance that scores, with and without live-restore.

A second engine is killed, because others use the machine's own. All scenarios share it, the instance and its endpoint;
between the first two and the others the engine is restarted with live-restore, which is a restart like any other.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from jupyter_modelserve.types import Event
from tests.conftest import missing
from tests.support import second_site
from tests.support.load import Load
from tests.support.second_dockerd import SecondEngine
from tests.support.second_site import Site, until
from tests.support.slo import Slo

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(600)]
Note = Callable[[str], None]
REFUSED = frozenset({502, 503})
CONCURRENCY = 4
"""Requests in flight to one Small worker: what dies with it may be lost."""
RECOVERY = 30.0
"""Seconds from the engine's return until the model is being loaded; how long that takes is the model's own affair."""


@pytest.fixture(scope="module")
def engine(docker_base: str) -> Iterator[SecondEngine]:
    lacking = [name for name in ("dockerd", "unshare") if shutil.which(name) is None]
    if lacking or os.getuid():
        missing(f"what starts a second engine ({', '.join(lacking) or 'root'})")
    made = SecondEngine(live_restore=False)
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def site(engine: SecondEngine, docker_base: str) -> Iterator[Site]:
    with second_site.running(engine, docker_base) as made:
        yield made


def more(load: Load, count: int = 100) -> None:
    load.wait_for(len(load.shots) + count)


def figures(report: str) -> str:
    """The numbers of a report, without the failures that were expected."""
    return "\n".join(report.splitlines()[:2])


def told(site: Site, after: int, text: str) -> Event:
    """Wait for a line in the endpoint's history."""
    return until(text, lambda: next((each for each in site.events(after) if text in each.message), None))


def back_by_itself(site: Site, load: Load, old: set[tuple[str, str, int]], begun: float, note: Note) -> None:
    """Start the engine, wait until the endpoint is whole in another container, and judge what callers saw.

    *begun* is the moment of the load from which on containers may be dead.
    """
    last = max(each.number for each in site.events())
    site.engine.start()
    answered = 1000 * time.time()
    # What the history says cannot be a status of before that nobody has looked at since.
    loading = told(site, last, "version 1 is LOADING")
    ready = told(site, loading.number, "READY, NOT_UPDATING: Ready")
    settled = load.now()
    more(load)
    seconds = (loading.at - answered) / 1000, (ready.at - loading.at) / 1000
    note(f"the model was being loaded {seconds[0]:.2f} s after the engine's return, and READY {seconds[1]:.2f} s later")
    assert seconds[0] <= RECOVERY
    assert site.whole("1")
    assert len(site.lives() - old) == 1
    assert site.left() == (2, 1, 1), "one container, its volume, its record, its sockets"
    refused = [each for each in load.shots if each.status != 200]
    outside = [each for each in refused if not begun <= each.answered <= settled]
    assert not outside, f"failed while the container ran ({begun:.2f} to {settled:.2f} s): {outside[:3]}"
    assert all(each.retry_after for each in refused), [each for each in refused if not each.retry_after][:3]
    assert sum(each.status == 502 for each in refused) <= CONCURRENCY


@pytest.mark.req("REQ-004")
def test_r8_the_daemon_is_killed_without_live_restore(site: Site, note: Note) -> None:
    site.use(live_restore=False)
    old = site.lives()
    with site.load() as load:
        more(load)
        site.engine.kill()
        more(load)
        assert not [each for each in load.shots if each.status != 200], "it scores as long as its container lives"
        back_by_itself(site, load, old, load.now(), note)
    note(figures(Slo(failed=len(load.shots), versions=frozenset("1"), gap=90, only=REFUSED).check(load.shots)))
    told = site.doctor()
    assert (told.returncode, "live-restore is off" in told.stdout) == (0, True), told.stdout


@pytest.mark.req("REQ-004")
def test_r8_the_daemon_is_restarted_without_live_restore(site: Site, note: Note) -> None:
    """An orderly restart ends the containers first; the next daemon is told to keep its own."""
    site.use(live_restore=False)
    old = site.lives()
    with site.load() as load:
        more(load)
        begun = load.now()
        site.engine.stop()
        until("it says that it is not ready", lambda: site.status().service.value == "PENDING")
        until("it says why", lambda: "Docker engine" in site.shown())
        site.engine.live_restore = True
        back_by_itself(site, load, old, begun, note)
    note(figures(Slo(failed=len(load.shots), versions=frozenset("1"), gap=90, only=REFUSED).check(load.shots)))
    told = site.doctor()
    assert (told.returncode, "live-restore" in told.stdout) == (0, False), told.stdout


@pytest.mark.req("REQ-004", "REQ-129")
def test_r7_the_daemon_is_killed_twice_and_a_change_waits_for_it(site: Site, note: Note) -> None:
    site.use(live_restore=True)
    old = site.lives()
    with site.load() as load, site.watched() as seen:
        more(load)
        site.engine.kill()
        told = site.doctor()
        more(load)
        site.engine.start()
        site.engine.kill()
        site.move("2")
        until("it says that the change waits", lambda: "Docker engine" in site.status().update_message)
        more(load)
        answering = {shot.version for shot in load.shots}
        site.engine.start()
        back = time.monotonic()
        until("it follows", lambda: site.whole("2"))
        note(f"the change was carried out {time.monotonic() - back:.2f} s after the engine's return")
        more(load)
    note(figures(Slo(failed=0, versions=frozenset({"1", "2"}), least=400).check(load.shots)))
    assert answering == {"1"}
    assert (told.returncode, "no engine answers at" in told.stdout) == (1, True), told.stdout
    assert site.lives() == old
    assert [each.restarts for each in site.status().versions] == [0]
    assert {each.service.value for each in seen} == {"READY"}
    assert any("the Docker engine does not answer" in each.service_message for each in seen)
    site.move("1")
    until("it follows again", lambda: site.whole("1"))


@pytest.mark.req("REQ-004")
def test_r7_an_orderly_restart(site: Site, note: Note) -> None:
    site.use(live_restore=True)
    old = site.lives()
    with site.load() as load, site.watched() as seen:
        more(load)
        site.engine.stop()
        more(load)
        site.engine.start()
        until("the engine is seen again", lambda: site.whole("1"))
        more(load)
    note(figures(Slo(failed=0, versions=frozenset("1"), least=300).check(load.shots)))
    assert site.lives() == old
    assert {each.service.value for each in seen} == {"READY"}
    assert site.left() == (2, 1, 1)


@pytest.mark.req("REQ-004")
def test_r7_the_controller_is_killed_while_the_daemon_is_away(site: Site, note: Note) -> None:
    """The next one finds no engine, and must take nothing for gone and no version back."""
    site.use(live_restore=True)
    old, controller = site.lives(), site.instance.pid("controller")
    with site.load() as load:
        more(load)
        site.engine.kill()
        os.kill(controller, signal.SIGKILL)
        until("the next controller says that the engine is away", lambda: "Docker engine" in site.shown())
        more(load)
        site.engine.start()
        until("the engine is seen again", lambda: site.whole("1"))
        more(load)
    note(figures(Slo(failed=0, versions=frozenset("1"), least=300).check(load.shots)))
    assert site.instance.pid("controller") != controller
    assert site.lives() == old
    assert site.left() == (2, 1, 1)
