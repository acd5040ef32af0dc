"""What an instance is before anything runs: its directories, ``instance.json`` and the local user's token.

All three are made once and kept, so that an address in a notebook stays true (architecture §1).
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
from typing import Final

from jupyter_modelserve import locks
from jupyter_modelserve.errors import InvalidParameter, NotRunning
from jupyter_modelserve.settings import Paths, Settings, write_private
from jupyter_modelserve.types import Instance, to_json

_FIRST_PORT: Final = 20000
_PORTS: Final = 10000


def read(paths: Paths) -> Instance | None:
    """The instance of this home, or ``None`` when it never started.

    Raises:
        InvalidParameter: the file is damaged or not ours to read; says what to do.
    """
    try:
        found = json.loads(paths.instance_file.read_text(encoding="utf-8"))
        instance = Instance(str(found["instance_id"]), int(found["port"]), str(found["nonce"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise InvalidParameter(f"{paths.instance_file} belongs to another user; set MODELSERVE_HOME") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidParameter(f"{paths.instance_file} is damaged; remove it, then start again") from error
    return instance


def prepare(paths: Paths) -> None:
    """Make the directories, and make sure that they can do what an instance needs.

    Raises:
        InvalidParameter: not writable, somebody else's, or on a file system without locks; names the directory.
    """
    try:
        paths.create()
        probe = locks.take(paths.lock("probe"), patience=0)
        if probe is not None:
            probe.release()
    except locks.LockUnsupported as error:
        raise InvalidParameter(
            f"{paths.run} lies on a file system without file locks; set MODELSERVE_HOME to a directory on a local disk"
        ) from error
    except OSError as error:
        raise InvalidParameter(
            f"cannot use {error.filename or paths.home}: {(error.strerror or 'unknown error').lower()}; "
            "set MODELSERVE_HOME to a directory of yours that can be written"
        ) from error


def settle(paths: Paths, port: int | None) -> Instance:
    """The instance with its port, made on first use. The caller holds the launch lock.

    Args:
        port: what the user asked for just now; else the setting ``port``, else the one chosen before, else the
            first free one counted from a number made from the home directory.

    Raises:
        InvalidParameter: the port is not between 1 and 65535.
        NotRunning: no free port was found.
    """
    known = read(paths)
    wanted = port if port is not None else Settings.load(paths.home).port
    if wanted < 0 or wanted > 65535:
        raise InvalidParameter(f"port {wanted} is not between 1 and 65535", details={"field": "port"})
    chosen = wanted or (known.port if known else _free_port(paths))
    if known and known.port == chosen:
        return known
    identifier = known.instance_id if known else secrets.token_hex(8)
    nonce = known.nonce if known else secrets.token_urlsafe(24)
    instance = Instance(identifier, chosen, nonce)
    write_private(paths.instance_file, json.dumps(to_json(instance)) + "\n")
    return instance


def ensure_token(paths: Paths) -> None:
    """Make the local user's token (``ms_`` and 43 characters, 0600) when there is none."""
    if not paths.token_file.exists():
        write_private(paths.token_file, f"ms_{secrets.token_urlsafe(32)}\n")


def _free_port(paths: Paths) -> int:
    start = int.from_bytes(hashlib.sha256(os.fsencode(paths.home)).digest()[:4], "big")
    for step in range(_PORTS):
        port = _FIRST_PORT + (start + step) % _PORTS
        if is_free(port):
            return port
    raise NotRunning(f"no free port between {_FIRST_PORT} and {_FIRST_PORT + _PORTS - 1} on 127.0.0.1; use --port")


def is_free(port: int) -> bool:
    """Whether 127.0.0.1:*port* can be listened on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it a port whose last connections linger in TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
