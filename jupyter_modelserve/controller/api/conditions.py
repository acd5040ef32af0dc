"""Changes that count only while an endpoint is what the caller saw: ``ETag``, ``If-Match``, ``If-None-Match``.

Without them the last of two that change an endpoint at once wins, and nobody is told. The tag names the generation and
when the endpoint was made, so that a new one of the same name is not taken for the old one; the generation alone may
be sent as well. The comparison runs in the transaction that writes.
"""

from __future__ import annotations

import re
from typing import Final

from fastapi import Request
from fastapi.responses import JSONResponse

from jupyter_modelserve.controller.endpoints.manager import Expect
from jupyter_modelserve.controller.store.endpoints import StoredEndpoint
from jupyter_modelserve.errors import InvalidParameter, PreconditionFailed
from jupyter_modelserve.types import Endpoint, to_json

_TAG: Final = re.compile(r'(W/)?"([^"]*)"')
_LONGEST: Final = 1024


def tagged(endpoint: Endpoint, status: int = 200) -> JSONResponse:
    """The endpoint as an answer, with its tag."""
    tag = _tag(endpoint.generation, endpoint.created_at)
    return JSONResponse(to_json(endpoint), status, {"etag": f'"{tag}"', "cache-control": "no-store"})


def expected(request: Request) -> Expect | None:
    """What the caller expects of the endpoint that is stored; ``None`` when they expect nothing.

    Raises:
        InvalidParameter: a header that is neither ``*`` nor a list of quoted tags.
    """
    matches, absent = request.headers.get("if-match"), request.headers.get("if-none-match")
    if absent is not None and absent.strip() != "*":
        raise InvalidParameter("If-None-Match: only * is understood: the endpoint must not exist yet")
    if matches is None and absent is None:
        return None
    anything = matches is not None and matches.strip() == "*"
    tags = frozenset[str]() if matches is None or anything else _tags(matches)

    def expect(found: StoredEndpoint | None) -> None:
        if absent is not None and found is not None:
            raise _failed(f"endpoint {found.spec.name!r} exists already; leave If-None-Match out to change it", found)
        if matches is None:
            return
        if found is None:
            raise _failed("there is no such endpoint any more; leave If-Match out to create it", None)
        if not anything and not {str(found.generation), _tag(found.generation, found.created_at)} & tags:
            raise _failed(
                f"endpoint {found.spec.name!r} was changed since you looked: it has generation {found.generation} now; "
                "look at what it is, then make your change again",
                found,
            )

    return expect


def _tag(generation: int, created_at: int) -> str:
    return f"{generation}-{created_at}"


def _tags(header: str) -> frozenset[str]:
    parts = [_TAG.fullmatch(part.strip()) for part in header[:_LONGEST].split(",")]
    if len(header) > _LONGEST or not all(parts):
        raise InvalidParameter('If-Match: must be * or quoted tags, such as "7"', details={"field": "If-Match"})
    # A weak tag never matches: it does not say that nothing is different.
    return frozenset(part[2] for part in parts if part is not None and not part[1])


def _failed(message: str, found: StoredEndpoint | None) -> PreconditionFailed:
    details = {} if found is None else {"endpoint": found.spec.name, "generation": found.generation}
    return PreconditionFailed(message, details=details)
