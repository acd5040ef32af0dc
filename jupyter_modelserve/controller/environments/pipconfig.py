"""Honour the user's pip configuration in builds by uv: indexes, find-links, certificates, proxies.

uv does not read pip's files, but a company's users have written their mirror, certificate and wheel directory there
once and expect them to hold. Everything goes to uv by environment variables: addresses may carry credentials, and
command lines are visible to every user of the machine.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jupyter_modelserve.controller.engines.children import clean_environ
from jupyter_modelserve.controller.environments.declared import Declared
from jupyter_modelserve.settings import Settings

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_NEVER = ("MODELSERVE_", "MLFLOW_", "DATABRICKS_")
_DROPPED = ("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX", "UV_PROJECT")


def pip_options(environ: Mapping[str, str], files: tuple[Path, ...] | None = None) -> dict[str, str]:
    """The effective options of pip by long name (``index-url``): files in pip's order, then ``PIP_*`` variables."""
    found: dict[str, str] = {}
    for path in _files(environ) if files is None else files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    for name, value in environ.items():
        if name.startswith("PIP_") and name != "PIP_CONFIG_FILE" and value:
            found[name[4:].lower().replace("_", "-")] = value
    return found


def build_environ(
    settings: Settings, declared: Declared, environ: Mapping[str, str], files: tuple[Path, ...] | None = None
) -> dict[str, str]:
    """The environment of uv for a build: what the model's file says, then uv's own variables, then pip's."""
    pip = pip_options(environ, files)
    result = _base(environ, declared)
    _set_indexes(result, declared, pip, environ)
    _set_find_links(result, declared, pip, settings)
    hosts = (*pip.get("trusted-host", "").split(), *declared.options.trusted_hosts)
    if hosts:
        result.setdefault("UV_INSECURE_HOST", " ".join(hosts))
    if settings.offline:
        result["UV_OFFLINE"] = "1"
    if declared.options.no_index or _is_true(pip.get("no-index", "")):
        result["UV_NO_INDEX"] = "1"
    if declared.options.pre or _is_true(pip.get("pre", "")):
        result.setdefault("UV_PRERELEASE", "allow")
    if pip.get("constraint"):
        result.setdefault("UV_CONSTRAINT", " ".join(pip["constraint"].split()))
    _set_network(result, pip)
    if settings.ca_bundle:
        result["SSL_CERT_FILE"] = str(Path(settings.ca_bundle).expanduser())
    return result


def _base(environ: Mapping[str, str], declared: Declared) -> dict[str, str]:
    result = clean_environ(environ)
    lines = " ".join(each.text for each in (*declared.entries, *declared.constraints))
    wanted = set(_VARIABLE.findall(lines))
    for name, value in environ.items():
        # Credentials of indexes are what these are for; a name in a requirement is pip's documented way to use one.
        if name.startswith(("UV_", "PIP_")) or (name in wanted and not name.startswith(_NEVER)):
            result[name] = value
    for name in _DROPPED:
        result.pop(name, None)
    user = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uv" / "uv.toml"
    if "UV_CONFIG_FILE" not in result:
        # A uv.toml or pyproject.toml in the model's directory must not steer the build; the user's own may.
        result.update({"UV_CONFIG_FILE": str(user)} if user.is_file() else {"UV_NO_CONFIG": "1"})
    result |= {"NO_COLOR": "1", "UV_NO_WRAP": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return result


def _set_indexes(
    result: dict[str, str], declared: Declared, pip: Mapping[str, str], environ: Mapping[str, str]
) -> None:
    options = declared.options
    own = expand(options.index_url, environ)
    extra = [expand(each, environ) for each in options.extra_index_urls]
    if own:
        result.pop("UV_DEFAULT_INDEX", None)
        result["UV_INDEX_URL"] = own
    elif not result.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} and pip.get("index-url"):
        result["UV_INDEX_URL"] = pip["index-url"]
    inherited = result.get("UV_EXTRA_INDEX_URL", pip.get("extra-index-url", "")).split()
    addresses = [each for each in (*inherited, *extra) if _is_there(each)]
    if addresses:
        result["UV_EXTRA_INDEX_URL"] = " ".join(dict.fromkeys(addresses))
        # pip takes the best version of all indexes; uv's default is the first index that has the name.
        result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")


def _set_find_links(result: dict[str, str], declared: Declared, pip: Mapping[str, str], settings: Settings) -> None:
    inherited = result["UV_FIND_LINKS"].split(",") if result.get("UV_FIND_LINKS") else pip.get("find-links", "").split()
    own = [settings.find_links] if settings.find_links else []
    places = [each for each in (*declared.options.find_links, *own, *inherited) if _is_there(each)]
    if places:
        result["UV_FIND_LINKS"] = ",".join(dict.fromkeys(places))


def _set_network(result: dict[str, str], pip: Mapping[str, str]) -> None:
    certificates = pip.get("cert") or result.get("REQUESTS_CA_BUNDLE")
    if certificates:
        result.setdefault("SSL_CERT_FILE", certificates)
    if pip.get("client-cert"):
        result.setdefault("SSL_CLIENT_CERT", pip["client-cert"])
    if pip.get("proxy"):
        result.setdefault("ALL_PROXY", pip["proxy"])
    timeout = pip.get("timeout") or pip.get("default-timeout") or ""
    if timeout.replace(".", "", 1).isdigit():
        result.setdefault("UV_HTTP_TIMEOUT", str(max(1, int(float(timeout)))))


def no_index(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The option for uv where the configuration forbids indexes; uv knows no variable for it."""
    return ("--no-index",) if environ.get("UV_NO_INDEX") else ()


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Put variables into ``${NAME}`` as pip does; variables of ours and of MLflow never."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return match[0] if name.startswith(_NEVER) else environ.get(name, match[0])

    return _VARIABLE.sub(value, text)


def _is_there(place: str) -> bool:
    """Like pip, pass over local places that do not exist, where uv would end the build."""
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path)).exists()
    return "://" in place or Path(place).expanduser().exists()


def _is_true(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on", "y", "t"}


def _files(environ: Mapping[str, str]) -> tuple[Path, ...]:
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return ()
    home = Path(environ.get("HOME") or Path.home())
    system = [Path(each) / "pip" for each in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep) if each]
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    user = [home / ".pip", config / "pip"]
    if sys.platform == "darwin":
        system, user = [Path("/Library/Application Support/pip")], [*user, home / "Library/Application Support/pip"]
    places = [*system, Path("/etc"), *([] if chosen and Path(chosen).exists() else user), Path(sys.prefix)]
    return (*(each / "pip.conf" for each in places), *([Path(chosen)] if chosen else []))
