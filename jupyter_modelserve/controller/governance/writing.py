"""Changes of the registry on a caller's behalf: everything is written through MLflow, and judged there as that caller.

Copying a version is several of MLflow's calls; here it is one operation that leaves nothing half done.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx

from jupyter_modelserve import names
from jupyter_modelserve.controller.sockets import over_unix
from jupyter_modelserve.controller.store.audit import Actor
from jupyter_modelserve.errors import AlreadyExists, Conflict, ModelServeError, Unavailable, from_body
from jupyter_modelserve.settings import Paths

SECONDS: Final = 600.0
"""Copying the bytes of a large model takes a while."""
_IN_USE: Final = "is in use"


@dataclass(frozen=True, slots=True)
class Copied:
    """A version that was copied: where it went, and the aliases set on it."""

    model: str
    version: str
    source: str
    aliases: tuple[str, ...] = ()


class Writer:
    """Speaks to the MLflow child as the gateway does."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    async def call(
        self, actor: Actor, method: str, operation: str, values: dict[str, Any], upload: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """One call of MLflow's REST. *upload*: source and run of a version whose files the caller will upload.

        Raises:
            ModelServeError: the class that its answer stands for. Unavailable: it does not answer.
        """
        headers = {
            "x-modelserve-principal": quote(actor.principal),
            "x-request-id": actor.request_id or "-",
            "user-agent": actor.client or "jupyter-modelserve",
        }
        if upload is not None:
            headers["x-modelserve-upload"] = quote(json.dumps(upload))
        transport = over_unix(self._paths.mlflow_socket)
        sent: dict[str, Any] = {"params": values} if method == "GET" else {"json": values}
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1", timeout=SECONDS, trust_env=False
            ) as client:
                answer = await client.request(method, f"/api/2.0/mlflow/{operation}", headers=headers, **sent)
        except httpx.HTTPError as error:
            raise Unavailable("the registry does not answer; try again in a second", retry_after_s=1) from error
        body = answer.json() if answer.content else {}
        if answer.status_code >= 400:
            raise from_body(answer.status_code, body if isinstance(body, dict) else {})
        return dict(body)

    async def set_alias(self, actor: Actor, model: str, alias: str, version: str) -> None:
        """Set or move an alias (REQ-074)."""
        values = {"name": model, "alias": names.check_alias(model, alias), "version": version}
        await self.call(actor, "POST", "registered-models/alias", values)

    async def delete_alias(self, actor: Actor, model: str, alias: str) -> None:
        """Delete an alias (REQ-074)."""
        await self.call(actor, "DELETE", "registered-models/alias", {"name": model, "alias": alias})

    async def delete_version(self, actor: Actor, model: str, version: str, force: bool) -> None:
        """Delete a version; one that an alias or endpoint uses only by *force* (REQ-092, REQ-093).

        Raises:
            Conflict: it is in use.
        """
        values = {"name": model, "version": version}
        try:
            await self.call(actor, "DELETE", "model-versions/delete", values)
        except ModelServeError as error:
            if _IN_USE not in error.message:
                raise
            if not force:
                raise Conflict(error.message, details=error.details) from error
            await self.call(actor, "DELETE", "model-versions/delete", values)

    async def copy(
        self, actor: Actor, model: str, version: str, to: str, aliases: tuple[str, ...], description: str | None
    ) -> Copied:
        """Copy a version with its files, tags and description to another model, which is made when it is missing
        (REQ-091, REQ-104 to REQ-106). Its source names where it came from, its run is that of the source: who
        may read the copy finds what was measured there, as every principal may use runs.

        Raises:
            PermissionDenied: the caller may not read the source or write the target. NotFound: no such version.
        """
        names.check_model(to)
        for each in aliases:
            names.check_alias(to, each)
        found = await self.call(actor, "GET", "model-versions/get", {"name": model, "version": version})
        source = found["model_version"]
        made = await self._make(actor, to)
        try:
            values = {
                "name": to,
                "source": f"models:/{model}/{source['version']}",
                "tags": source.get("tags", []),
                "description": source.get("description", "") if description is None else description,
            }
            if source.get("run_id"):
                values["run_id"] = source["run_id"]
            answer = await self.call(actor, "POST", "model-versions/create", values)
        except ModelServeError:
            if made:
                with suppress(ModelServeError):
                    await self.call(actor, "DELETE", "registered-models/delete", {"name": to})
            raise
        number = str(answer["model_version"]["version"])
        for alias in aliases:
            await self.set_alias(actor, to, alias, number)
        return Copied(to, number, values["source"], aliases)

    async def _make(self, actor: Actor, model: str) -> bool:
        try:
            await self.call(actor, "POST", "registered-models/create", {"name": model})
        except AlreadyExists:
            return False
        return True
