"""``jupyter modelserve``: the command line. What is heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import sys

from jupyter_modelserve.cli.parser import build
from jupyter_modelserve.errors import ModelServeError

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed (standard error says why), 2 wrong usage."""
    arguments = build().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except ModelServeError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.details.get("hint"):
            print(f"hint: {error.details['hint']}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"error: {error.filename or 'jupyter modelserve'}: {error.strerror or 'failed'}", file=sys.stderr)
    return 1
