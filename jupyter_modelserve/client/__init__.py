"""How everything that a user touches reaches the daemons: one address, one token, no heavy import.

Loaded lazily, so that ``import jupyter_modelserve`` and the Jupyter Server extension stay cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_modelserve.client.address import Address as Address
    from jupyter_modelserve.client.aio import AsyncClient as AsyncClient
    from jupyter_modelserve.client.sync import Client as Client

__all__ = ["Address", "AsyncClient", "Client"]

_WHERE = {"Address": "address", "AsyncClient": "aio", "Client": "sync"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
