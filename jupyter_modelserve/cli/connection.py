"""How the commands reach the instance: through the client, and never by starting one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_modelserve.client.sync import Client


def connect() -> Client:
    """A client of the instance that runs; raises ``NotRunning`` when none does."""
    from jupyter_modelserve.client.sync import Client

    return Client.discover(start=False)
