"""``size``: how much compute a load needs, by the rule of the sources (REQ-118, REQ-133). Needs no instance."""

from __future__ import annotations

import argparse
import json

from jupyter_modelserve.codec import to_json
from jupyter_modelserve.computing import advise


def size(arguments: argparse.Namespace) -> int:
    """Print concurrency, workload size, replicas and memory."""
    found = advise(arguments.requests, arguments.seconds)
    if arguments.json:
        print(json.dumps(to_json(found)))
        return 0
    replicas = f"{found.replicas} replica{'s' if found.replicas > 1 else ''}"
    print(f"{found.concurrency} requests at a time: {replicas} of size {found.workload_size.value}")
    print(f"{found.memory_gb} GiB of memory in all, at 4 GiB for each request at a time")
    return 0
