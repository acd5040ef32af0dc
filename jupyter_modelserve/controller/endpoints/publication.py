"""The numbered table: published to the gateway, kept across restarts, acknowledged by the gateway's next question."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from jupyter_modelserve.controller.endpoints.routes import Contribution, RouteBook
from jupyter_modelserve.controller.endpoints.view import Key, Label, LabelKind, Routed
from jupyter_modelserve.controller.governance.loading import current
from jupyter_modelserve.controller.governance.scoring import Judge
from jupyter_modelserve.controller.governance.state import State
from jupyter_modelserve.controller.registry import renames
from jupyter_modelserve.controller.signals import Signal
from jupyter_modelserve.controller.store import tokens
from jupyter_modelserve.controller.store.database import Database, get_meta, set_meta
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.governed import Access
from jupyter_modelserve.types import Failure, RouteTable, Snapshot, TokenGrant, from_json, to_json

NUMBER, ROUTED = "route_number", "routed 2"
"""``routed 2``: the number grows with the form of what is written."""
log = logging.getLogger(__name__)


class Publication:
    """Joins contributions and tokens into snapshots.

    Nothing is published before every endpoint has contributed once (:meth:`open`): a controller that has just
    started must not take routes away that it does not know yet.
    """

    def __init__(self, instance_id: str, database: Database) -> None:
        self._instance_id = instance_id
        self._database = database
        self._book = RouteBook(RouteTable(0))
        self._tokens: dict[str, TokenGrant] = {}
        self._state = State()
        self._access = Access()
        self._judge = Judge()
        self._routed: dict[str, Routed] = {}
        self._recovering: set[str] = set()
        self._dirty = False
        self._written: Snapshot | None = None
        self.changed = Signal()
        self.acknowledged_changed = Signal()
        self.acknowledged = -1

    @property
    def number(self) -> int:
        """Number of the newest table."""
        return self._book.table.number

    async def load(self, endpoints: Iterable[str]) -> None:
        """Recall the last number, what was routed, and the tokens."""
        number, routed = await self._database.run(_recall)
        self._book = RouteBook(RouteTable(number))
        self._book.rename(await self._database.run(renames.known))
        self._routed = routed
        self._recovering = set(endpoints)
        self._tokens = await self._database.run(tokens.grants)
        self._state = await self._database.run(current)
        self._book.renumber()
        await self._announce()

    def routed(self, endpoint: str) -> Routed:
        """What the last table routes for *endpoint*."""
        return self._routed.get(endpoint, Routed())

    def forgive(self, endpoint: str) -> None:
        """The user asks for another attempt: what was rolled back may answer again."""
        if endpoint in self._routed:
            self._routed[endpoint] = replace(self._routed[endpoint], refused={}, reasons={})

    async def put(self, endpoint: str, routed: Routed, part: Contribution | None) -> None:
        """Publish what *endpoint* contributes; written down before the gateway may see it."""
        changed = self._book.put(endpoint, part)
        changed |= self._routed.get(endpoint) != (None if part is None else routed)
        if part is None:
            self._routed.pop(endpoint, None)
        else:
            self._routed[endpoint] = routed
        self._dirty |= changed or endpoint in self._recovering
        self._recovering.discard(endpoint)
        if self._dirty:
            await self._announce()

    async def open(self) -> None:
        """Start publishing even if an endpoint could not contribute yet (it failed to be read)."""
        self._recovering.clear()
        await self._announce()

    async def rename(self, renamed: Mapping[str, str]) -> None:
        """The old names of models, as they are now."""
        if self._book.rename(renamed):
            self._dirty = True
            await self._announce()

    async def refresh_tokens(self) -> None:
        """Read the tokens again; a revoked one is unknown to the gateway with the next snapshot."""
        found = await self._database.run(tokens.grants)
        if found != self._tokens:
            self._tokens = found
            self._book.renumber()
            self._dirty = True
            await self._announce()

    async def governed(self, state: State) -> None:
        """Rights may have changed: publish who may score what, when that did.

        Two changes at once may tell us in either order; what was read earlier must not give an ended right back.
        """
        if state.revision < self._state.revision:
            return
        self._state = state
        if self._judge.access(state, self._book.table.models) != self._access:
            self._book.renumber()
            self._dirty = True
            await self._announce()
        await self.refresh_tokens()

    def snapshot(self) -> Snapshot | None:
        """The newest snapshot, or ``None`` while starting."""
        return self._written

    def acknowledge(self, number: int) -> None:
        """The gateway serves table *number*."""
        if number != self.acknowledged:
            self.acknowledged = number
            self.acknowledged_changed.notify()

    async def settle(self, seconds: float) -> bool:
        """Wait until the gateway serves the newest table; false when it does not within *seconds*."""
        wanted = self.number
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self.acknowledged < wanted:
            seen = self.acknowledged_changed.count
            if self.acknowledged < wanted and not await self.acknowledged_changed.wait(seen, until - loop.time()):
                return False
        return True

    async def _announce(self) -> None:
        if self._recovering:
            return
        table = self._book.table
        self._access = self._judge.access(self._state, table.models)
        snapshot = Snapshot(self._instance_id, table, dict(self._tokens), self._access)
        await self._database.run(_remember, snapshot.routes.number, dict(self._routed))
        if self._written is None or snapshot.routes.number >= self._written.routes.number:
            self._written = snapshot
        self._dirty = snapshot.routes.number != self.number
        self.changed.notify()


def _recall(connection: Connection) -> tuple[int, dict[str, Routed]]:
    number = int(get_meta(connection, NUMBER) or 0)
    try:
        raw = json.loads(get_meta(connection, ROUTED) or "{}")
        return number, {endpoint: _read(each) for endpoint, each in raw.items()}
    except (ValueError, KeyError, TypeError, AttributeError, InvalidParameter):
        # Written by another version of this program: what runs is adopted all the same, and routed anew.
        log.warning("what was routed before cannot be read; starting without it")
        return number, {}


def _remember(connection: Connection, number: int, routed: dict[str, Routed]) -> None:
    set_meta(connection, NUMBER, str(number))
    set_meta(connection, ROUTED, json.dumps({endpoint: _write(each) for endpoint, each in routed.items()}))


def _write(routed: Routed) -> dict[str, Any]:
    return {
        "workers": [[*key, list(group)] for key, group in routed.workers.items()],
        "labels": [[*label, *key] for label, key in routed.labels.items()],
        "entities": [[name, *key] for name, key in routed.entities.items()],
        "previous": [[*label, *key] for label, key in routed.previous.items()],
        "refused": [[*label, *key] for label, key in routed.refused.items()],
        "reasons": [[*label, to_json(failure)] for label, failure in routed.reasons.items()],
    }


def _read(raw: dict[str, Any]) -> Routed:
    return Routed(
        workers={(model, version): tuple(group) for model, version, group in raw["workers"]},
        labels=_read_labels(raw["labels"]),
        entities={name: (model, version) for name, model, version in raw["entities"]},
        previous=_read_labels(raw["previous"]),
        refused=_read_labels(raw["refused"]),
        reasons={
            (m, LabelKind(kind), name): from_json(Failure, each) for m, kind, name, each in raw.get("reasons", ())
        },
    )


def _read_labels(raw: list[list[str]]) -> dict[Label, Key]:
    return {(m, LabelKind(kind), name): (model, version) for m, kind, name, model, version in raw}
