"""One window of load on one server: wrk where it can be used, else the generator of ours.

wrk is the cheaper one. It cannot speak to a unix socket, and it cannot tell which request an answer belongs to; so
there every answer must be one of the right ones, and :func:`mixed` checks with ours that nobody gets another's.
"""

from __future__ import annotations

import json
import math
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.generator import Load, Task
from benchmarks.servers import ROOT, Conversation, Server

TOO_DIRTY = 0.35
"""Cores that others may use during a window; above, it is tried once more and the cleaner one counts."""
_SCRIPT = """
local requests, good, bad, first, turn = {}, {}, 0, "", 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(arguments)
  local file = assert(loadfile("%s"))()
  for _, each in ipairs(file.requests) do table.insert(requests, each) end
  for _, each in ipairs(file.answers) do good[each] = true end
  failed, words = 0, ""
end
function request() turn = turn %% #requests + 1; return requests[turn] end
function response(status, headers, body)
  if status ~= 200 or not good[body] then failed = failed + 1; words = status .. " " .. body:sub(1, 200) end
end
function done(summary, latency)
  local failed, words = 0, ""
  for _, each in ipairs(threads) do failed = failed + each:get("failed"); words = each:get("words") end
  local lost = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("\\nFOUND %%d %%d %%f %%f %%f %%s\\n", summary.requests, failed + lost, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, words:gsub("%%s+", " ")))
end
"""


@dataclass(frozen=True)
class Window:
    """What one window found. Milliseconds, except ``cpu`` and ``load_cpu``: microseconds of CPU per request."""

    rps: float
    p50: float
    p99: float
    requests: int
    failures: int
    cpu: dict[str, float]
    load_cpu: float
    foreign: float
    generator: str
    first_failure: str = ""


def measure(
    server: Server, said: Conversation, clients: int, seconds: float, *, warm: float = 0.3, own: bool = False
) -> Window:
    """Load *server* for *seconds* after a short warm-up; once more when others kept the machine busy.

    Args:
        server: what is asked.
        said: requests with their right answers.
        clients: connections, one request each at a time.
        seconds: length of the window (wrk takes whole seconds).
        warm: seconds of the same load before it.
        own: use our generator even where wrk could be used, to compare with a unix socket.
    """
    once(server, said, clients, warm, own=True)
    found = once(server, said, clients, seconds, own)
    if found.foreign > TOO_DIRTY:
        again = once(server, said, clients, seconds, own)
        found = min(found, again, key=lambda each: each.foreign)
    return found


def mixed(server: Server, said: Conversation, clients: int = 64, seconds: float = 1.0) -> Load:
    """Load with different rows at once, each answer compared with that of its own request."""
    return _generate(_task(server, said, clients, seconds))


def once(server: Server, said: Conversation, clients: int, seconds: float, own: bool) -> Window:
    """One window without warm-up and whatever others do; see :func:`measure`."""
    use_wrk = server.tcp and not own and shutil.which("wrk") is not None
    groups = server.groups()
    before, children, before_self = machine.read(groups), _children(), _self()
    task = _task(server, said, clients, seconds)
    load = _wrk(task) if use_wrk else _generate(task)
    spent = _children() - children
    # Processes may have come during the window.
    after = machine.read(server.groups())
    parts = machine.used(before, after)
    known = sum(parts.values()) + spent + _self() - before_self
    each = 1e6 / max(load.requests, 1)
    return Window(
        load.requests / load.seconds,
        load.p50,
        load.p99,
        load.requests,
        load.failures,
        {name: seconds * each for name, seconds in parts.items()},
        spent * each,
        machine.foreign(before, after, known),
        "wrk" if use_wrk else "ours",
        load.first_failure,
    )


def _task(server: Server, said: Conversation, clients: int, seconds: float) -> Task:
    messages = [f"{server.head(body)}\r\n{body}" for body in said.bodies]
    return Task(server.address, messages, said.answers, clients, seconds)


def _generate(task: Task) -> Load:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "benchmarks.generator"],
        input=json.dumps(asdict(task)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load ended early: {done.stderr[-500:]}")
    return Load(**json.loads(done.stdout))


def _wrk(task: Task) -> Load:
    before = _children()
    with tempfile.TemporaryDirectory() as folder:
        data, script = Path(folder) / "data.lua", Path(folder) / "script.lua"
        data.write_text(f"return {{requests = {_lua(task.requests)}, answers = {_lua(sorted(set(task.answers)))}}}")
        script.write_text(_SCRIPT % data)
        whole = max(1, math.ceil(task.seconds))
        options = ["-t1", f"-c{task.clients}", f"-d{whole}s", "--timeout", "60s", "-s", str(script)]
        done = subprocess.run(["wrk", *options, f"http://{task.address}/"], capture_output=True, text=True, check=False)
    line = next((each for each in done.stdout.splitlines() if each.startswith("FOUND ")), "")
    if done.returncode or not line:
        raise RuntimeError(f"wrk failed: {(done.stderr or done.stdout)[-500:]}")
    _, requests, failures, seconds, p50, p99, *words = line.split(" ", 6)
    return Load(
        int(requests), int(failures), float(seconds), float(p50), float(p99), _children() - before, " ".join(words)
    )


def _lua(texts: list[str]) -> str:
    # Everything that JSON escapes in plain text is written the same way in Lua.
    return f"{{{', '.join(map(json.dumps, texts))}}}"


def _children() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _self() -> float:
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
