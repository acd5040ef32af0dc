"""``apply`` and ``export``: endpoints from files, and files from endpoints (REQ-158).

Every document is read and rehearsed against the instance before the first one changes anything. What was rehearsed is
then asked for, also when nothing would change: an endpoint may have changed while others were waited for. Nothing is
ever deleted: a file that is gone may have gone by mistake.
"""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_modelserve.cli.connection import connect
from jupyter_modelserve.cli.manifests import specs
from jupyter_modelserve.cli.manifests.reading import Document, documents, files
from jupyter_modelserve.errors import Conflict, InvalidParameter, ModelServeError, NotFound, from_body
from jupyter_modelserve.types import Endpoint, EndpointSpec

if TYPE_CHECKING:
    from jupyter_modelserve.client.sync import Client


@dataclass(frozen=True, slots=True)
class Wish:
    """One document: the endpoint that it asks for, what there was, and what would be stored."""

    document: Document
    spec: EndpointSpec
    secrets: Mapping[str, str] = field(repr=False)
    before: Endpoint | None
    after: Endpoint

    def verb(self, before: Endpoint | None, after: Endpoint) -> str:
        """What applying did, or would do, to the endpoint *before*."""
        if before is None or before.created_at != after.created_at:
            return "created"
        if before.generation == after.generation:
            return "unchanged"
        return "changed" if before.spec != after.spec or self.secrets else "tried again"


def apply(arguments: argparse.Namespace) -> int:
    """Make the instance's endpoints what the files say, and wait for them; one that is so already stays as it is."""
    found = [(each, specs.specification(each)) for each in _documents(arguments.file)]
    _check_once(found)
    values = _secret_values(arguments.secret_from_env or [], [spec for _, spec in found])
    with connect() as client:
        wishes = [_rehearsed(client, document, spec, values) for document, spec in found]
        for wish in wishes:
            if arguments.diff:
                sys.stdout.write(_difference(wish))
            if arguments.dry_run:
                verb = wish.verb(wish.before, wish.after)
                print(f"{wish.spec.name} {verb if verb == 'unchanged' else f'would be {verb}'}")
            else:
                _make(client, wish, arguments.wait, arguments.timeout)
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Print the file that would make an endpoint, or all of them, as they are now."""
    with connect() as client:
        names = arguments.endpoint
        found = [_kept(client.endpoint(name)) for name in names] if names else client.endpoints()
        found = [each for each in found if not each.deleting]
    print("---\n".join(specs.text(each.spec) for each in found), end="")
    return 0


def _kept(endpoint: Endpoint) -> Endpoint:
    """Raises Conflict when it is being deleted: its file would bring it back."""
    if endpoint.deleting:
        raise Conflict(f"endpoint {endpoint.spec.name!r} is being stopped", details={"endpoint": endpoint.spec.name})
    return endpoint


def schema(_: argparse.Namespace) -> int:
    """Print the JSON schema of the files, for editors and checks in a pipeline."""
    import json

    print(json.dumps(specs.schema(), indent=2))
    return 0


def _documents(paths: list[str]) -> list[Document]:
    found: list[Document] = []
    for path in paths:
        if path == "-":
            found += documents(sys.stdin.read(), "standard input")
            continue
        for file in files(Path(path)):
            try:
                content = file.read_text(encoding="utf-8")
            except UnicodeDecodeError as error:
                raise InvalidParameter(f"{file}: is no text in UTF-8") from error
            found += documents(content, str(file))
    if not found:
        raise InvalidParameter(f"{', '.join(paths)}: there is no document")
    return found


def _check_once(found: list[tuple[Document, EndpointSpec]]) -> None:
    seen: dict[str, Document] = {}
    for document, spec in found:
        if spec.name in seen:
            raise document.wrong("name", f"endpoint {spec.name} is in {seen[spec.name].where('name')} too")
        seen[spec.name] = document


def _secret_values(names: list[str], wanted: list[EndpointSpec]) -> dict[str, str]:
    """Values of secrets from the environment, where a pipeline keeps them; never from a file or an argument."""
    known = {name for spec in wanted for name in spec.secrets}
    for name in names:
        if name not in known:
            raise InvalidParameter(f"--secret-from-env {name}: no file lists it under secrets")
        if not os.environ.get(name):
            raise InvalidParameter(f"--secret-from-env {name}: the environment has no such variable")
    return {name: os.environ[name] for name in names}


def _rehearsed(client: Client, document: Document, spec: EndpointSpec, values: Mapping[str, str]) -> Wish:
    own = {name: value for name, value in values.items() if name in spec.secrets}
    before = _now(client, spec.name)
    try:
        after = client.rehearse_endpoint(spec, own)
    except ModelServeError as error:
        raise _located(document, error) from error
    return Wish(document, spec, own, before, after)


def _now(client: Client, name: str) -> Endpoint | None:
    try:
        return client.endpoint(name)
    except NotFound:
        return None


def _located(document: Document, error: ModelServeError) -> ModelServeError:
    """The instance's refusal with the place in the file that it is about."""
    path = str(error.details.get("field", ""))
    body = {"error_code": error.error_code, "message": f"{document.where(path)}: {error.message}"}
    return from_body(error.status, body | {"details": error.details})


def _make(client: Client, wish: Wish, wait: bool, timeout: float) -> None:
    """Ask for it, wait until it answers, and say what changed; an endpoint that was as wished is waited for as well."""
    name = wish.spec.name
    before = _now(client, name)
    try:
        stored = client.put_endpoint(wish.spec, wish.secrets)
    except ModelServeError as error:
        raise _located(wish.document, error) from error
    verb = wish.verb(before, stored)
    print(f"{name} {verb}", flush=True)
    if wait:
        ready = client.wait_ready(name, stored.generation, timeout)
        if verb != "unchanged":
            print(f"{name} {ready.status.service.value}", flush=True)


def _difference(wish: Wish) -> str:
    """A unified diff from what there is to what there would be."""
    before = specs.text(wish.before.spec).splitlines(keepends=True) if wish.before else []
    after = specs.text(wish.after.spec).splitlines(keepends=True)
    name = wish.spec.name
    return "".join(difflib.unified_diff(before, after, f"{name} (now)", f"{name} ({wish.document.source})"))
