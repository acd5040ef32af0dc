"""Ready clients for the panel's Query page: the same texts as ``%score --as`` gives (REQ-041 to REQ-043, REQ-180).

They name the token by its file, never by its value, and only the Jupyter server knows where that file is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from jupyter_server.auth.decorator import authorized
from jupyter_server.utils import url_path_join
from tornado import web

from jupyter_modelserve.addresses import TABLE, Owner
from jupyter_modelserve.client.address import Address
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.lab.handlers import AUTH_RESOURCE, NAMESPACE, ModelServeHandler
from jupyter_modelserve.lab.upstream import find_running

_SCORING: Final = tuple(row.path for row in TABLE if row.owner is Owner.WORKER)
_FIELDS: Final = ("language", "path", "reference", "body")


def make(address: Address, language: str, path: str, reference: str, body: str) -> str:
    """The text of a client that sends *body* to *path*.

    Raises:
        InvalidParameter: unknown language, or *path* is no scoring address.
    """
    from jupyter_modelserve.client import snippets

    makers: dict[str, Callable[[Address, str, str, str], str]] = {
        "curl": snippets.curl,
        "python": snippets.python,
        "powerbi": snippets.power_bi,
    }
    if language not in makers:
        raise InvalidParameter(f"language: must be one of {', '.join(makers)}", details={"field": "language"})
    if not path.startswith(_SCORING):
        raise InvalidParameter("path: must be a scoring address", details={"field": "path"})
    return makers[language](address, reference, address.url.rstrip("/") + path, body).rstrip("\n")


class SnippetHandler(ModelServeHandler):
    """``POST snippet``: ``{"language", "path", "reference", "body"}`` to ``{"text"}``. It changes nothing."""

    @web.authenticated
    @authorized(action="read", resource=AUTH_RESOURCE)
    async def post(self) -> None:
        """Answer with the text; 503 while no instance runs."""
        given = self._given()
        address = await asyncio.to_thread(find_running)
        self.answer({"text": make(address, **given)})

    def _given(self) -> dict[str, str]:
        try:
            found: Any = json.loads(self.request.body)
        except ValueError:
            found = None
        for field in _FIELDS:
            if not isinstance(found, dict) or not isinstance(found.get(field), str):
                raise InvalidParameter(f"{field}: must be text", details={"field": field})
        return {field: found[field] for field in _FIELDS}


SNIPPET_ROUTES: list[tuple[str, type[ModelServeHandler]]] = [(url_path_join("/", NAMESPACE, "snippet"), SnippetHandler)]
