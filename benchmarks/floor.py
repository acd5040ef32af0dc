"""The floor: a constant answer from uvicorn on uvloop and httptools, without a framework, a check or a model.

A Python server that does anything at all is slower than this, so a ratio to it says how much the work costs, on
whatever machine it is measured. ``python -m benchmarks.floor PORT`` runs it on loopback.
"""

from __future__ import annotations

import sys
from typing import Any

ANSWER = b'{"predictions": [0]}'
_HEAD = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the body, answer the same thing."""
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
    await send({"type": "http.response.body", "body": ANSWER})


def main() -> None:
    """Serve until ended."""
    import uvicorn

    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off",
        access_log=False, log_level="warning",
    )  # fmt: skip


if __name__ == "__main__":
    main()
