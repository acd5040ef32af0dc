"""How MLflow's deployment calls reach the instance: found once, changed as it is when it is written, waited for."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from jupyter_modelserve import names
from jupyter_modelserve.client import examples
from jupyter_modelserve.client.address import locate
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter, NotFound, NotRunning, PreconditionFailed
from jupyter_modelserve.plugins.deployment_words import Words
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Endpoint, EndpointSpec

T = TypeVar("T")
_TRIES: Final = 5
_LOGGED: Final = re.compile(r"models:/m-[0-9a-f]{32}$")
"""A model that was logged and not registered."""


class Connection:
    """One instance: *where* is an address, a state directory, or nothing (what every client of ours looks for)."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._found: Client | None = None

    @property
    def url(self) -> str:
        """The one address of everything."""
        return self._client().url

    def _client(self) -> Client:
        if self._found is None:
            self._found = self._discover()
            # MLflow's interface has no end to call.
            weakref.finalize(self, self._found.close)
        return self._found

    def _discover(self) -> Client:
        if self._where.startswith(("http://", "https://")):
            return Client.discover(url=self._where)
        if not self._where.strip("/"):
            return Client.discover()
        # Who names a directory means that instance and no other, whatever the environment or a Jupyter server says.
        return Client(locate(paths=Paths(Path(self._where).expanduser()), environ={}, jupyter=False))

    def run(self, operation: Callable[[Client], T]) -> T:
        """*operation* with the client; a local instance that has ended meanwhile is started again once."""
        client = self._client()
        try:
            return operation(client)
        except NotRunning:
            if not client.address.local:
                raise
        client.close()
        self._found = None
        return operation(self._client())

    def reference(self, model_uri: str) -> str:
        """A registered model as our other calls name it: ``iris/2``, ``iris@Champion``, ``iris``.

        Raises:
            InvalidParameter: it is not in the registry (REQ-161). NotFound: ``latest`` of a model without versions.
        """
        if not model_uri.startswith("models:/") or _LOGGED.match(model_uri):
            raise InvalidParameter(
                f"model_uri: {model_uri[:120]!r} is not in the registry; register it first "
                "(mlflow.register_model), then deploy models:/name/version or models:/name@alias",
                details={"field": "model_uri"},
            )
        name, slash, part = model_uri.removeprefix("models:/").partition("/")
        if slash and part.lower() == "latest":
            versions = self.run(lambda client: client.model(name)).versions
            if not versions:
                raise NotFound(f"{name} has no version")
            return f"{name}/{versions[0].version}"
        return f"{name}/{part}" if slash else name

    def edit(
        self,
        endpoint: str,
        change: Callable[[EndpointSpec | None], EndpointSpec | None],
        asked: Words,
        reference: str | None = None,
    ) -> None:
        """Read, change, write; again when somebody else wrote in between. Then wait, for *reference* if given.

        *change* gets ``None`` while there is no such endpoint, and its answer ``None`` ends the endpoint.

        Raises:
            ServingFailed: it cannot be served. DeadlineExceeded: it takes longer than was asked for.
            PreconditionFailed: others wrote in between every time.
        """
        expected = self.run(lambda client: _expected(client, reference)) if reference else None
        for attempt in range(_TRIES):
            known = self.run(lambda client: client.endpoints())
            before = next((each for each in known if each.spec.name == endpoint), None)
            spec = change(before.spec if before else None)
            try:
                if spec is None:
                    if before is not None:
                        self.end(endpoint, asked, before)
                    return
                stored = self.run(lambda client: client.put_endpoint(spec, expected=before or 0))  # noqa: B023 - at once
                break
            except PreconditionFailed:
                if attempt == _TRIES - 1:
                    raise
        if asked.wait:
            self._client().wait_ready(endpoint, stored.generation, asked.timeout, None, expected)

    def end(self, endpoint: str, asked: Words, expected: Endpoint | None = None) -> None:
        """Stop an endpoint, only while it is *expected* if given; nothing when there is none.

        Raises:
            PreconditionFailed: somebody changed it since.
        """
        try:
            self.run(lambda client: client.delete_endpoint(endpoint, expected=expected))
            if asked.wait:
                self._client().wait_gone(endpoint, asked.timeout)
        except NotFound:
            return


def _expected(client: Client, reference: str) -> tuple[str, str] | None:
    """The version that must answer; ``None`` for all active ones, where one of several may fail alone."""
    model, segment = names.split_reference(reference)
    return None if segment is None else (model, examples.pick(client.model(model), segment).version)
