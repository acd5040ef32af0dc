"""CPU and memory are charged to the processes that used them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks import machine

BURN = """
import os, sys, time
sys.stdin.readline()
begun = time.process_time()
while time.process_time() - begun < 0.3:
    pass
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def burner() -> Iterator[subprocess.Popen[str]]:
    """Uses 0.3 s of CPU after a line, and ends after another."""
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", BURN, "marked-for-the-test"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        yield process
        process.kill()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_cpu_time_is_charged_to_its_group(burner: subprocess.Popen[str]) -> None:
    groups = {"busy": [burner.pid], "other": [os.getpid()]}
    before = machine.read(groups)
    tell(burner)
    assert burner.stdout is not None
    assert burner.stdout.readline() == "done\n"
    after = machine.read(groups)
    used = machine.used(before, after)
    assert 0.27 <= used["busy"] <= 0.5
    # It waited in a pipe meanwhile.
    assert used["other"] < 0.2
    # What is accounted for is not foreign; what is not, is.
    assert machine.foreign(before, after, 0.0) > machine.foreign(before, after, sum(used.values()))


def test_a_process_is_found_by_its_arguments(burner: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 10
    while burner.pid not in machine.processes_naming("marked-for-the-test"):
        assert time.monotonic() < until
    assert burner.pid in machine.tree(os.getpid())
    assert 1 < machine.memory_of([burner.pid])["pss"] < 100


def test_a_process_that_has_gone_counts_nothing(burner: subprocess.Popen[str]) -> None:
    burner.kill()
    burner.wait()
    assert machine.cpu_of(burner.pid) is None
    assert machine.memory_of([burner.pid]) == {"pss": 0, "own": 0}
