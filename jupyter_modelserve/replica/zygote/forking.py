"""Makes a worker out of the zygote that cannot be told from a spawned one.

The fork is a double one: the process in between ends at once, so that the kernel gives the worker to the parent of the
replica (its subreaper), which then waits for it like for any child of its own.
"""

from __future__ import annotations

import gc
import os
import random
import socket
import sys
import traceback
import warnings
from typing import Any, Dict, List

_FIRST_ENVIRON = dict(os.environ)
"""As it was before any library was imported (this module is, before that)."""
_STANDARD = (0, 1, 1)
"""Which of the descriptors sent becomes standard input, output and error."""


def fork(control: socket.socket, request: Dict[str, Any], descriptors: List[int]) -> int:
    """The pid of a new worker, which already belongs to the parent.

    Raises:
        OSError: no more processes, or no memory.
    """
    reading, writing = os.pipe()
    try:
        between = os.fork()
        if between == 0:
            _in_between(control, request, descriptors, (reading, writing))
        os.close(writing)
        writing = -1
        answer = os.read(reading, 32)
        os.waitpid(between, 0)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    if not answer:
        raise OSError(11, "the process in between could not fork")
    return int(answer)


def _in_between(
    control: socket.socket, request: Dict[str, Any], descriptors: List[int], pipe: "tuple[int, int]"
) -> None:
    """Never returns."""
    try:
        worker = os.fork()
        if worker:
            os.write(pipe[1], b"%d" % worker)
            os._exit(0)
        os.close(pipe[0])
        os.close(pipe[1])
        control.close()
        _become_worker(request, descriptors)
    except BaseException:  # noqa: BLE001 - nothing of the zygote's loop may run in a fork
        traceback.print_exc()
    os._exit(1)


def _become_worker(request: Dict[str, Any], descriptors: List[int]) -> None:
    for standard, position in enumerate(_STANDARD):
        os.dup2(descriptors[position], standard)
    for descriptor in descriptors[:2]:
        os.close(descriptor)
    os.chdir(request["cwd"])
    _set_environ(request["environ"])
    sys.argv[1:] = ["worker", *request["arguments"]]
    _be_itself()
    _name("worker %s" % request["arguments"][-1])
    gc.enable()
    from ..worker import main

    code = main.main(list(request["arguments"]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _set_environ(wanted: Dict[str, str]) -> None:
    """The worker's variables, with what the imported libraries have set or removed as they would have here."""
    now = dict(os.environ)
    changed = {name: value for name, value in now.items() if _FIRST_ENVIRON.get(name) != value}
    removed = _FIRST_ENVIRON.keys() - now.keys()
    os.environ.clear()
    os.environ.update({name: value for name, value in {**wanted, **changed}.items() if name not in removed})


def _be_itself() -> None:
    """Nothing that a process of its own would have alone may be shared: random numbers, warnings shown, threads."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    with warnings.catch_warnings():
        pass  # Forgets which warnings have been shown already.
    threads = os.environ.get("OMP_NUM_THREADS", "1").partition(",")[0]
    if threads.isdigit() and int(threads) > 1:
        _allow_threads(int(threads))


def _allow_threads(count: int) -> None:
    """The zygote's libraries have read that they may use one thread; tell them otherwise."""
    try:
        from importlib import import_module

        import_module("threadpoolctl").threadpool_limits(limits=count)
    except Exception as error:  # noqa: BLE001 - slower, and no reason to fail
        sys.stderr.write("the number of threads stays 1 (%s)\n" % type(error).__name__)


def _name(text: str) -> None:
    """What ``ps`` and ``top`` show instead of the zygote's name (its first 15 letters)."""
    try:
        with open("/proc/self/comm", "w", encoding="ascii", errors="replace") as stream:
            stream.write(text)
    except OSError:
        return
