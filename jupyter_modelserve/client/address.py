"""Finds the one address and its token; exists so that kernels, Voila, papermill and the CLI look in the same order.

The order: arguments, then ``MODELSERVE_URL`` (with ``MODELSERVE_TOKEN`` or ``MODELSERVE_TOKEN_FILE``), then the local
instance when it runs, then one behind this process's own Jupyter server (see ``discovery``), and at last a local one is
started. The local token is only ever sent to the local instance: an address that came from elsewhere needs a token
that came with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from jupyter_modelserve.client.discovery import through_jupyter
from jupyter_modelserve.errors import InvalidParameter, NotRunning, Unauthenticated
from jupyter_modelserve.settings import Paths
from jupyter_modelserve.types import Instance

HOW_TO_START: Final = "start it with `jupyter modelserve up` or `%load_ext jupyter_modelserve`"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an instance answers and the token for it; the token never shows in ``repr``.

    ``token_file`` is the file that the token came from, ``None`` when it came from an argument or the environment.
    ``local`` says that the instance belongs to this user on this machine.
    """

    url: str
    token: str = field(repr=False)
    token_file: Path | None = None
    local: bool = False

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine, so that no proxy may see the request."""
        return urlsplit(self.url).hostname in {"127.0.0.1", "localhost", "::1"}


def locate(
    url: str | None = None,
    token: str | None = None,
    *,
    start: bool = True,
    paths: Paths | None = None,
    environ: Mapping[str, str] | None = None,
    jupyter: bool = True,
) -> Address:
    """Find an instance; start the local one when *start* and none runs.

    *jupyter* allows to ask the own Jupyter server; that server itself must not.

    Raises:
        NotRunning: nothing runs here and *start* is false.
        Unauthenticated: an address is given, but no token for it.
        InvalidParameter: the address is no http(s) URL, or it carries a password.
    """
    environ = os.environ if environ is None else environ
    paths = paths or Paths.default(environ)
    named = url or environ.get("MODELSERVE_URL")
    if not named:
        return _local(paths, start, token, environ if jupyter and not token else None)
    cleaned = check_url(named)
    if token:
        return Address(cleaned, token)
    if not url or cleaned == environ.get("MODELSERVE_URL", "").rstrip("/"):
        found = _from_environment(cleaned, environ)
        if found:
            return found
    return _local_named(cleaned, paths)


def check_url(url: str) -> str:
    """Return *url* without a trailing slash; refuse what is no plain http(s) address."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidParameter("the address must be an http:// or https:// URL", details={"field": "url"})
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidParameter(
            "the address may hold no user, password or query; give the token by MODELSERVE_TOKEN",
            details={"field": "url"},
        )
    return url.rstrip("/")


def _from_environment(url: str, environ: Mapping[str, str]) -> Address | None:
    if environ.get("MODELSERVE_TOKEN"):
        return Address(url, environ["MODELSERVE_TOKEN"])
    if environ.get("MODELSERVE_TOKEN_FILE"):
        path = Path(environ["MODELSERVE_TOKEN_FILE"]).expanduser()
        return Address(url, read_token(path), token_file=path)
    return None


def _local(paths: Paths, start: bool, token: str | None, environ: Mapping[str, str] | None) -> Address:
    from jupyter_modelserve import launcher

    instance: Instance | None = launcher.find(paths)
    if instance is None and environ is not None:
        found = through_jupyter(environ)
        if found is not None:
            return Address(found.url, found.token)
    if instance is None and start:
        instance = launcher.ensure(paths)
    if instance is None:
        raise NotRunning(f"no model serving instance runs here; {HOW_TO_START}")
    if token:
        return Address(instance.url, token, local=True)
    return Address(instance.url, read_token(paths.token_file), token_file=paths.token_file, local=True)


def _local_named(url: str, paths: Paths) -> Address:
    from jupyter_modelserve import launcher

    instance = launcher.find(paths)
    if instance is not None and instance.url == url.replace("//localhost", "//127.0.0.1"):
        return Address(url, read_token(paths.token_file), token_file=paths.token_file, local=True)
    raise Unauthenticated(f"no token for {url}; set MODELSERVE_TOKEN or MODELSERVE_TOKEN_FILE")


def read_token(path: Path) -> str:
    """The token in *path*.

    Raises:
        Unauthenticated: the file is missing, unreadable or empty; the message names it.
    """
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Unauthenticated(f"the token file {path} cannot be read ({error.strerror})") from error
    if not token:
        raise Unauthenticated(f"the token file {path} is empty")
    return token
