"""The keys under which secrets of endpoints lie in the database, and the file that holds them (REQ-140).

The file is made with the first secret, beside the database but not in it, so that a copy of the database alone tells
nothing. An operator may name a file of their own (setting ``secret_key_file``), which is only read. One key a line,
32 bytes as base64; the first one seals, all of them open. It is read anew for each use: what is put back counts at
once.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jupyter_modelserve.errors import Unavailable
from jupyter_modelserve.settings import write_private

SIZE: Final = 32
_HEAD: Final = "# Keys of the secrets of endpoints, the newest first. Keep a copy, but not beside one of registry.db.\n"
_OTHERS: Final = stat.S_IWGRP | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Key:
    """32 random bytes; ``id`` names them and tells nothing about them."""

    id: str
    value: bytes = field(repr=False)


def key_of(value: bytes) -> Key:
    """The key of these bytes."""
    return Key(hashlib.sha256(b"modelserve secret key\0" + value).hexdigest()[:12], value)


class KeyFile:
    """The keys of an instance. *given*: the operator's file, which is never written."""

    def __init__(self, path: Path, given: str = "") -> None:
        self.path = Path(given).expanduser() if given else path
        self.ours = not given

    def read(self) -> tuple[Key, ...]:
        """All keys, the one that seals first; none when our file is not there.

        Raises:
            Unavailable: the file cannot be used; says why.
        """
        try:
            if not self.ours and self.path.stat().st_mode & _OTHERS:
                raise self._unusable("others may read or change it; chmod 400 it")
            text = self.path.read_text(encoding="ascii")
        except FileNotFoundError:
            if self.ours:
                return ()
            raise self._unusable("it does not exist") from None
        except (OSError, ValueError) as error:
            raise self._unusable(error.strerror or "" if isinstance(error, OSError) else "it is no text") from None
        lines = [line.strip() for line in text.splitlines()]
        found = tuple(self._key(line) for line in lines if line and not line.startswith("#"))
        if not found:
            raise self._unusable("it holds no key")
        return found

    def ensure(self) -> tuple[Key, ...]:
        """All keys; makes our file with a first one when it is not there. Raises Unavailable."""
        found = self.read()
        if not found:
            self._make(key_of(secrets.token_bytes(SIZE)))
            found = self.read()
        return found

    def renew(self) -> tuple[Key, ...]:
        """All keys behind a new one; the operator's as they are. Raises Unavailable."""
        if not self.ours:
            return self.read()
        found = (key_of(secrets.token_bytes(SIZE)), *self.read())
        self._write(found)
        return found

    def keep(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Forget all keys but the first and *ids*; returns the ids of those that the operator may remove."""
        self.tidy()
        wanted, found = set(ids), self.read()
        kept = tuple(each for each in found if each.id in wanted or each == found[0])
        if self.ours and kept != found:
            self._write(kept)
        return () if self.ours else tuple(each.id for each in found if each not in kept)

    def tidy(self) -> None:
        """Remove the drafts of writers that were killed: each holds keys that were to be forgotten one day.

        For who alone writes the file, which is the controller that holds its lock, on its one database thread.
        """
        if self.ours:
            draft = re.compile(rf"\.+{re.escape(self.path.name)}-[-\w]+")
            for each in [each for each in self.path.parent.iterdir() if draft.fullmatch(each.name) and each.is_file()]:
                each.unlink(missing_ok=True)

    def _make(self, key: Key) -> None:
        """The file as a whole or not at all, and never in the place of one that somebody else made meanwhile."""
        draft = self.path.with_name(f".{self.path.name}-{secrets.token_hex(8)}")
        write_private(draft, _text([key]))
        try:
            os.link(draft, self.path)
        except FileExistsError:
            pass
        except OSError:
            if not self.path.exists():  # a file system without hard links
                draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)
        _settle(self.path.parent)

    def _write(self, keys: Iterable[Key]) -> None:
        write_private(self.path, _text(keys))
        _settle(self.path.parent)

    def _key(self, line: str) -> Key:
        try:
            value = base64.b64decode(line.replace("-", "+").replace("_", "/"), validate=True)
        except binascii.Error:
            value = b""
        if len(value) != SIZE:
            raise self._unusable(f"a line is no key of {SIZE} bytes as base64, as `openssl rand -base64 {SIZE}` prints")
        return key_of(value)

    def _unusable(self, why: str) -> Unavailable:
        what = "secret.key" if self.ours else "secret_key_file"
        return Unavailable(f"the key of secrets cannot be used: {what} ({self.path}): {why}")


def _text(keys: Iterable[Key]) -> str:
    return _HEAD + "".join(f"{base64.b64encode(each.value).decode()}\n" for each in keys)


def _settle(directory: Path) -> None:
    """What is sealed under a key must not reach the disk before the key's name does."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
