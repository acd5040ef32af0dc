"""``python -m benchmarks serving|startup|peers|all|page``: measure, and write what was found.

``make bench`` is ``all`` and ``make bench-peers`` is ``peers``; both write Markdown and JSON below build/. ``page``
puts the figures of the last runs into docs/performance.json and the tables of docs/performance.md.
BENCH_SECONDS (2), BENCH_ROUNDS (3) and BENCH_REPEATS (3) make a run longer and steadier.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import machine, models, ours, page, report, serving, startup

COMMANDS = {"all": "make bench", "peers": "make bench-peers"}


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("what", choices=["serving", "startup", "peers", "all", "page"])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of startup: {', '.join(startup.PARTS)}")
    options = parser.parse_args()
    if set(options.parts) - set(startup.PARTS):
        parser.error(f"parts of startup are {', '.join(startup.PARTS)}")
    if options.what == "page":
        page.write()
        return
    ours.quiet()
    begun = time.time()
    found: dict[str, Any] = {
        "command": COMMANDS.get(options.what, f"python -m benchmarks {options.what}"),
        "made": time.strftime("%Y-%m-%d %H:%M", time.localtime(begun)),
        "machine": machine.describe(),
        "versions": dict(each.split("==") for each in models.pins()),
        "seconds": serving.SECONDS,
        "rounds": serving.ROUNDS,
    }
    with tempfile.TemporaryDirectory(prefix="msb-") as name:
        scratch = Path(name)
        trained = models.train(scratch / "models")
        if options.what in {"serving", "all"}:
            found |= serving.run(scratch, trained).json()
        if options.what in {"startup", "all"}:
            found["startup"] = startup.run(scratch, trained, options.parts)
        if options.what == "peers":
            found |= serving.run_peers(scratch, trained).json()
    found["took"] = round(time.time() - begun)
    report.write(found, "bench-peers" if options.what == "peers" else "bench")


if __name__ == "__main__":
    main()
