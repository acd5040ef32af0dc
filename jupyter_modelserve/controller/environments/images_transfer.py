"""What a build on this machine uses, as a build in a container sees it: files mounted, their places rewritten.

The user's pip and uv configuration speaks of this machine: certificate bundles, directories with wheels, constraint
files. Each becomes a read-only mount that exists while the image is made and leaves nothing in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from jupyter_modelserve.controller.engines.docker.images import CACHE, WORKSHOP
from jupyter_modelserve.controller.environments.declared import Declared

MODEL: Final = f"{WORKSHOP}/model"
"""Where a build sees the model's files: requirements may name wheels among them."""
_PROXIES: Final = frozenset({"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})
_FILES: Final = frozenset({"SSL_CLIENT_CERT", "UV_CONFIG_FILE", "NETRC"})
_LISTS: Final = {"UV_CONSTRAINT": " ", "UV_BUILD_CONSTRAINT": " ", "UV_OVERRIDE": " ", "UV_FIND_LINKS": ","}
_HERE: Final = ("UV_CACHE_DIR", "UV_PYTHON", "UV_TOOL", "UV_INSTALL", "UV_LINK_MODE", "PIP_")
"""Prefixes of variables that only mean something on this machine."""
_CERTIFICATES: Final = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")


@dataclass
class Transfer:
    """Mounts by place in the container, and the variables that commands get there."""

    mounts: dict[str, Path] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)

    def place(self, path: str) -> str:
        """Where the container sees *path*; mounted when it is there."""
        source = Path(path).expanduser().resolve()
        place = f"{WORKSHOP}/given/{len(self.mounts)}/{source.name}"
        known = next((each for each, already in self.mounts.items() if already == source), None)
        if known is None:
            self.mounts[place] = source
        return known or place


def transfer(environ: Mapping[str, str], declared: Declared, root: Path) -> Transfer:
    """From the variables of a build on this machine (:func:`pipconfig.build_environ`) to those of one in a container.

    Args:
        environ: names indexes, certificates, find-links and proxies; values may hold credentials.
        declared: whose lines may name further variables.
        root: the model's directory.
    """
    found = Transfer({MODEL: root.resolve()})
    lines = " ".join(each.text for each in (*declared.entries, *declared.constraints))
    wanted = set(_VARIABLE.findall(lines))
    for name, value in environ.items():
        if name in _FILES:
            if Path(value).expanduser().is_file():
                found.environ[name] = found.place(value)
        elif name in _LISTS:
            places = [_rewritten(each, found) for each in filter(None, value.split(_LISTS[name]))]
            found.environ[name] = _LISTS[name].join(places)
        elif name.upper() in _PROXIES or name in wanted or (name.startswith("UV_") and not name.startswith(_HERE)):
            found.environ[name] = value
    if environ.get("SSL_CERT_FILE") and Path(environ["SSL_CERT_FILE"]).is_file():
        bundle = found.place(environ["SSL_CERT_FILE"])
        found.environ.update(dict.fromkeys(_CERTIFICATES, bundle))
    netrc = Path(environ.get("HOME") or Path.home()) / ".netrc"
    if "NETRC" not in found.environ and netrc.is_file():
        found.environ["NETRC"] = found.place(str(netrc))
    found.environ |= {
        "HOME": f"{WORKSHOP}/home",
        "TMPDIR": f"{CACHE}/tmp",  # noqa: S108 - inside the container
        "UV_CACHE_DIR": f"{CACHE}/uv",
        "UV_LINK_MODE": "copy",
        "UV_COMPILE_BYTECODE": "1",
    }
    return found


def in_model(text: str, root: Path) -> str:
    """A requirement line with places in the model's directory as the container sees them."""
    return text.replace(str(root.resolve()), MODEL).replace(str(root), MODEL)


def _rewritten(place: str, found: Transfer) -> str:
    if place.startswith("file:"):
        return found.place(unquote(urlsplit(place).path))
    return place if "://" in place else found.place(place)
