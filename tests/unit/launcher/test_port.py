"""The listening socket goes from daemon to daemon, and callers wait in its queue meanwhile."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.gateway.main import bind, listen
from jupyter_modelserve.launcher import port
from jupyter_modelserve.launcher.port import HOLD, Keeper, Lending
from jupyter_modelserve.settings import Paths

Give = Callable[[str, socket.socket | None], Lending]


@pytest.fixture
def paths() -> Iterator[Paths]:
    # Short enough for a unix socket, which tmp_path is not.
    found = Paths(Path(tempfile.mkdtemp(prefix="msport-")))
    found.create()
    yield found
    shutil.rmtree(found.home)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with bind(0) as found:
        yield found


@pytest.fixture
async def give(paths: Paths) -> AsyncIterator[Give]:
    made: list[Lending] = []

    def start(daemon: str, held: socket.socket | None) -> Lending:
        lending = Lending(paths.port_socket(daemon))
        lending.held = held
        lending.open()
        made.append(lending)
        return lending

    yield start
    for each in made:
        each.close()


def number(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


async def asked(paths: Paths, daemon: str, wanted: int) -> socket.socket | None:
    return await asyncio.to_thread(port.ask, paths, daemon, wanted)


async def test_a_caller_waits_in_the_queue_from_one_holder_to_the_next(
    paths: Paths, give: Give, listening: socket.socket
) -> None:
    wanted = number(listening)
    lending = give("controller", listening.dup())
    listening.close()  # the gateway dies
    with socket.create_connection(("127.0.0.1", wanted), 5) as caller:
        caller.sendall(b"hello")
        found = await asyncio.to_thread(listen, paths, wanted)
        with found:
            assert found.proto == socket.IPPROTO_TCP
            assert found.gettimeout() == 0.0
            assert not os.get_inheritable(found.fileno())
            wire, _ = found.accept()
            with wire:
                assert wire.recv(5) == b"hello"
    lending.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", wanted), 5)


async def test_who_holds_nothing_says_so_at_once(paths: Paths, give: Give) -> None:
    give("controller", None)
    assert await asked(paths, "controller", 1) is None
    assert await asked(paths, "gateway", 1) is None
    with await asyncio.to_thread(listen, paths, 0) as found:
        assert number(found)


async def test_a_holder_that_does_not_answer_costs_its_patience_and_no_more(paths: Paths) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(paths.port_socket("gateway")))
        silent.listen()
        assert await asyncio.to_thread(port.ask, paths, "gateway", 1, 0.1) is None


async def test_what_does_not_listen_on_our_port_is_not_taken(
    paths: Paths, give: Give, listening: socket.socket, tmp_path: Path
) -> None:
    lending = give("controller", listening.dup())
    assert await asked(paths, "controller", number(listening) + 1) is None
    lending.drop()
    with socket.socket(socket.AF_INET) as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        lending.held = bound_only.dup()
        assert await asked(paths, "controller", number(bound_only)) is None
    lending.drop()
    one, other = socket.socketpair()
    with one, other:
        lending.held = one.dup()
        assert await asked(paths, "controller", number(listening)) is None


async def test_no_descriptor_is_left_open(paths: Paths, give: Give, listening: socket.socket) -> None:
    give("controller", listening.dup())
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    for _ in range(5):
        found = await asked(paths, "controller", number(listening))
        assert found is not None
        found.close()
        assert await asked(paths, "controller", 1) is None
    await asyncio.sleep(0)
    if before:
        assert len(list(Path("/proc/self/fd").iterdir())) <= before


async def test_a_port_of_another_program_is_named(paths: Paths, listening: socket.socket) -> None:
    with pytest.raises(InvalidParameter, match="is taken by another program"):
        await asyncio.to_thread(listen, paths, number(listening))


def holds(keeper: Keeper) -> bool:
    return keeper.lending.held is not None


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def gateway_lives(paths: Paths) -> Iterator[Callable[[], None]]:
    """Holds the gateway's lock until it is called."""
    handle = os.open(paths.lock("gateway"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield lambda: os.close(handle)
    with suppress(OSError):
        os.close(handle)


async def test_the_controller_keeps_the_port_of_a_dead_gateway_for_a_while(
    paths: Paths, give: Give, listening: socket.socket, gateway_lives: Callable[[], None]
) -> None:
    clock = Clock()
    keeper = Keeper(paths, number(listening), clock)
    await keeper.look()
    assert not holds(keeper)
    gateway = give("gateway", listening.dup())
    await keeper.look()
    held = keeper.lending.held
    assert held is not None
    await keeper.look()
    assert keeper.lending.held is held
    gateway.close()
    gateway_lives()
    await keeper.look()
    clock.now += HOLD - 0.1
    await keeper.look()
    assert keeper.lending.held is held
    clock.now += 0.2
    await keeper.look()
    assert not holds(keeper)


async def test_a_gateway_that_comes_back_begins_the_time_anew(
    paths: Paths, listening: socket.socket, gateway_lives: Callable[[], None]
) -> None:
    clock = Clock()
    keeper = Keeper(paths, number(listening), clock)
    keeper.lending.held = listening.dup()
    gateway_lives()
    await keeper.look()
    handle = os.open(paths.lock("gateway"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    clock.now += 60
    await keeper.look()
    os.close(handle)
    await keeper.look()
    assert keeper.lending.held is not None
    keeper.lending.drop()


async def test_an_instance_that_is_stopped_lets_the_port_go_at_once(
    paths: Paths, give: Give, listening: socket.socket, gateway_lives: Callable[[], None]
) -> None:
    give("gateway", listening.dup())  # it would lend the port again
    keeper = Keeper(paths, number(listening))
    await keeper.look()
    assert holds(keeper)
    paths.stopping_file.touch()
    await keeper.look()
    assert not holds(keeper)
    await keeper.look()
    assert not holds(keeper)


async def test_a_keeper_that_cannot_open_its_door_goes_on_trying(
    paths: Paths,
    give: Give,
    listening: socket.socket,
    gateway_lives: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(port, "_PERIOD", 0.01)
    give("gateway", listening.dup())
    keeper = Keeper(paths, number(listening))
    blocked = paths.port_socket("controller")
    (blocked / "in the way").mkdir(parents=True)
    keeping = asyncio.create_task(keeper.run())
    await asyncio.sleep(0.1)
    assert not keeping.done()
    shutil.rmtree(blocked)
    async with asyncio.timeout(10):
        while not holds(keeper):
            await asyncio.sleep(0.01)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping


async def test_a_gateway_waits_for_a_controller_that_is_late_with_the_port(
    paths: Paths, give: Give, listening: socket.socket
) -> None:
    handle = os.open(paths.lock("controller"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    waiting = asyncio.create_task(asyncio.to_thread(listen, paths, number(listening), 20.0))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    give("controller", listening.dup())
    (await waiting).close()
    os.close(handle)
