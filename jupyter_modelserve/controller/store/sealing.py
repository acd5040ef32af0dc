"""Seals a value so that only the key of the instance opens it, and only where it was put (AES-256-GCM)."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from jupyter_modelserve.controller.store.keys import Key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12


class Unreadable(Exception):
    """A sealed value that cannot be opened; the text says why, for a user, without an end."""


def seal(key: Key, place: Iterable[str], value: str) -> str:
    """*value* under *key*, bound to *place*: moved to another one it does not open."""
    nonce = secrets.token_bytes(_NONCE)
    return base64.b64encode(nonce + _cipher(key).encrypt(nonce, value.encode(), _bound(place))).decode()


def unseal(keys: Iterable[Key], key_id: str, place: Iterable[str], sealed: str) -> str:
    """What was sealed at *place* under the key called *key_id*.

    Raises:
        Unreadable: the key is not among *keys*, or these are not the bytes that were put there.
    """
    from cryptography.exceptions import InvalidTag

    key = next((each for each in keys if each.id == key_id), None)
    if key is None:
        raise Unreadable(f"its key {key_id} is not in the key file")
    try:
        found = base64.b64decode(sealed, validate=True)
        return str(_cipher(key).decrypt(found[:_NONCE], found[_NONCE:], _bound(place)).decode())
    except (InvalidTag, binascii.Error, ValueError):
        raise Unreadable("somebody else changed it in the database") from None


def _cipher(key: Key) -> AESGCM:
    # 50 ms to import, and most instances have no secret.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key.value)


def _bound(place: Iterable[str]) -> bytes:
    return json.dumps(["modelserve secret", *place]).encode()
