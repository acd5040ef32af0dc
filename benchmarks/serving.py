"""The comparison of servers: the same requests for the same models, in rounds, everybody once a round.

A round visits every server for every kind of work, and a ratio is taken between two windows of one round, minutes apart
at most. The spread over the rounds says how much a figure means.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import load, machine, models, ours, peers, servers
from benchmarks.servers import Conversation, Server

T = TypeVar("T")
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
WORK = ((models.ONE, 1), (models.ONE, 16), (models.ONE, 64), (models.MANY, 4))
"""Kind of request and number of clients."""


@dataclass
class Record:
    """Everything that a run found, ready to be written as JSON."""

    windows: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    memory: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    _said: dict[tuple[str, str, str], Conversation] = field(default_factory=dict)

    def check(self, server: Server, model: models.Model) -> None:
        """Ask each server everything before it is measured; then with many clients at once."""
        wrong, asked, first = 0, 0, ""
        for kind in (models.ONE, models.MANY):
            said = servers.prove(server, model, kind)
            self._said[server.name, server.model, kind] = said
            asked, wrong, first = asked + len(said.bodies), wrong + said.wrong, first or said.first_wrong
        mixed = load.mixed(server, self._said[server.name, server.model, models.ONE])
        self.checks.append(
            {
                "server": server.name,
                "model": server.model,
                "path": server.label(),
                "asked": asked + mixed.requests,
                "wrong": wrong + mixed.failures,
                "first_wrong": first or mixed.first_failure,
            }
        )

    def measure(
        self, server: Server, round_: int, *, own: bool = False, work: Sequence[tuple[str, int]] = WORK
    ) -> None:
        """All kinds of work on one server, one window each."""
        for kind, clients in work:
            said = self._said[server.name, server.model, kind]
            try:
                found = load.measure(server, said, clients, SECONDS, own=own)
            except RuntimeError as error:
                self.miss(server.name, f"{kind} × {clients}, round {round_ + 1} could not be measured", error)
                continue
            key = {"server": server.name, "model": server.model, "kind": kind, "clients": clients, "round": round_}
            self.windows.append({**key, **asdict(found)})
            print(_line(key, found), file=sys.stderr, flush=True)

    def miss(self, name: str, what: str, error: Exception) -> None:
        """Remember what could not be measured, and go on."""
        self.missing[name] = f"{what}: {' '.join(str(error).split())[-300:]}"
        print(f"{name}: {self.missing[name]}", file=sys.stderr, flush=True)

    def knows(self, server: Server) -> bool:
        """Whether it was checked."""
        return (server.name, server.model, models.ONE) in self._said

    def weigh(self, server: Server) -> None:
        """Memory of a server after its load, by part."""
        if any((each["server"], each["model"]) == (server.name, server.model) for each in self.memory):
            return
        parts = {name: machine.memory_of(pids) for name, pids in server.groups().items()}
        self.memory.append({"server": server.name, "model": server.model, "parts": parts})

    def json(self) -> dict[str, Any]:
        """As it is written."""
        return {name: getattr(self, name) for name in ("windows", "checks", "memory", "missing")}


def run(scratch: Path, trained: Mapping[str, models.Model]) -> Record:
    """Ours in every variant beside ``mlflow models serve`` and the floor."""
    record = Record()
    with _everybody(scratch, trained) as (plain, sockets):
        everything = [*plain, *sockets]
        through = {each.model: each for each in plain if each.name == "ours, direct"}
        for server in everything:
            record.check(server, trained[server.model])
        for round_ in range(ROUNDS):
            for server in _turned(everything, round_):
                if not server.tcp:
                    # Our generator is used on the socket, so what the gateway adds needs it on the gateway as well.
                    record.measure(through[server.model], round_, own=True, work=WORK[:1])
                record.measure(server, round_)
        for server in everything:
            record.weigh(server)
    return record


def run_peers(scratch: Path, trained: Mapping[str, models.Model]) -> Record:
    """Ours, ``mlflow models serve`` and the peers. A peer runs only while it is measured: some are never idle."""
    absent = peers.install()
    record = Record(missing=dict(absent))
    with ExitStack() as stack:
        instances = [stack.enter_context(ours.serving(scratch, each, trained)) for each in ("direct", "pyfunc")]
        steady = [stack.enter_context(servers.mlflow(model, scratch)) for model in trained.values()]
        steady += [each.server(name) for each in instances for name in trained]
        for server in steady:
            record.check(server, trained[server.model])
        for round_ in range(ROUNDS):
            for server in _turned(steady, round_):
                record.measure(server, round_)
            for peer, model in _turned([(each, model) for each in peers.PEERS for model in trained.values()], round_):
                if peer.name not in absent:
                    _visit(record, peer, model, scratch, round_)
        for server in steady:
            record.weigh(server)
    return record


def _visit(record: Record, peer: peers.Peer, model: models.Model, scratch: Path, round_: int) -> None:
    for attempt in (1, 2):
        try:
            with peer.serving(model, scratch) as server:
                if not record.knows(server):
                    record.check(server, model)
                record.measure(server, round_)
                record.weigh(server)
                return
        except (RuntimeError, OSError) as error:
            if attempt == 2:
                record.miss(peer.name, f"did not run with {models.NAMES[model.name]} in round {round_ + 1}", error)


@contextmanager
def _everybody(scratch: Path, trained: Mapping[str, models.Model]) -> Iterator[tuple[list[Server], list[Server]]]:
    with ExitStack() as stack:
        instances = [stack.enter_context(ours.serving(scratch, each, trained)) for each in ours.VARIANTS]
        plain = [stack.enter_context(servers.constant(trained["lr"], scratch))]
        plain += [stack.enter_context(servers.mlflow(model, scratch)) for model in trained.values()]
        plain += [each.server(name) for each in instances for name in trained]
        yield plain, [instances[0].socket(name) for name in trained]


def _turned(everything: list[T], round_: int) -> list[T]:
    """Another order every round, so that what changes with time does not always meet the same server."""
    return everything if round_ % 2 == 0 else everything[::-1]


def _line(key: Mapping[str, Any], found: load.Window) -> str:
    cpu = " ".join(f"{name} {value:.0f}" for name, value in found.cpu.items() if name != "idle")
    return (
        f"round {key['round'] + 1} {key['model']} {key['kind']:>10} × {key['clients']:<2} {key['server']:<36} "
        f"{found.rps:8.0f}/s p50 {found.p50:8.2f} p99 {found.p99:8.2f} ms  CPU µs: {cpu}, load {found.load_cpu:.0f}  "
        f"failures {found.failures}, others {found.foreign:.2f}"
    )
