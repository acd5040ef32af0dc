"""The service without a web server: connections, concurrent starts, failures of the launcher."""

from __future__ import annotations

import asyncio
import threading

import pytest

from jupyter_modelserve.errors import Unauthenticated, Unavailable
from jupyter_modelserve.lab.service import Service
from tests.lab.fakes import FakeInstance


def never_back() -> bool:
    return False


async def test_concurrent_starts_launch_once(instance_fake: FakeInstance) -> None:
    service = Service(instance_fake.connect, instance_fake.launch, never_back)
    answers = await asyncio.gather(*(service.start() for _ in range(5)))
    assert instance_fake.launches == 1
    assert all(answer["running"] for answer in answers)


async def test_the_launcher_runs_beside_the_event_loop(instance_fake: FakeInstance) -> None:
    threads: list[int] = []

    def launch() -> None:
        threads.append(threading.get_ident())
        instance_fake.launch()

    await Service(instance_fake.connect, launch, never_back).start()
    assert threads
    assert threads[0] != threading.get_ident()


async def test_a_launcher_that_cannot_run_is_told_in_a_sentence(instance_fake: FakeInstance) -> None:
    def launch() -> None:
        raise PermissionError(13, "Permission denied", "instance.json")

    with pytest.raises(Unavailable, match=r"could not be started.*instance\.json"):
        await Service(instance_fake.connect, launch, never_back).start()


async def test_a_new_token_is_picked_up(instance_fake: FakeInstance) -> None:
    instance_fake.running = True
    service = Service(instance_fake.connect, instance_fake.launch, never_back)
    await service.status()
    first = instance_fake.status
    instance_fake.error = Unauthenticated("token unknown")

    async def connect() -> FakeInstance:
        instance_fake.error = None
        return await instance_fake.connect()

    service._connect = connect
    assert (await service.status())["running"] is True
    assert instance_fake.closed == 1
    assert first is not None


async def test_close_without_a_connection(instance_fake: FakeInstance) -> None:
    await Service(instance_fake.connect, instance_fake.launch, never_back).close()
    assert instance_fake.closed == 0


async def test_an_instance_that_heals_is_not_shown_as_stopped(instance_fake: FakeInstance) -> None:
    looks: list[int] = []

    def alive() -> bool:
        looks.append(1)
        instance_fake.running = len(looks) == 2
        return True

    assert (await Service(instance_fake.connect, instance_fake.launch, alive).status())["running"] is True
    assert len(looks) == 2
