"""The process around MLflow's app: its socket, its lifetime, its signal that it is ready."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any, Final

READY: Final = b"ready\n"
_GRACE_S: Final = 1.0
_KEEP_ALIVE_S: Final = 75
_BACKLOG: Final = 512


def take_stdout() -> int:
    """Keep standard output for ourselves (a descriptor is returned); whatever prints goes to the log instead."""
    ready = os.dup(1)
    os.dup2(2, 1)
    return ready


def end_with_parent() -> None:
    """End as soon as standard input does: it is a pipe that only the parent holds, so it closes however that dies."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        # Uploads in flight would keep a polite exit waiting, and nobody is left to answer.
        threading.Event().wait(_GRACE_S)
        os._exit(0)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def listen(path: Path) -> socket.socket:
    """Listen on a unix socket (0600) that replaces whatever lies at *path*.

    It is bound under another name and moved into place: an earlier process that is about to end never takes a newer
    one's socket away, and no moment exists at which nothing lies there.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(scratch))
    scratch.chmod(0o600)
    listener.listen(_BACKLOG)
    scratch.replace(path)
    return listener


def serve(app: Any, path: Path, ready: int) -> None:
    """Serve *app* on *path* with one worker; writes ``ready`` to the descriptor *ready* as soon as it answers."""
    import uvicorn

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        app,
        access_log=False,
        backlog=_BACKLOG,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            os.write(ready, READY)
            os.close(ready)

    Server(config).run(sockets=[listen(path)])
