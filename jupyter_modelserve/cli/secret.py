"""``secret``: set and remove secrets of an endpoint (REQ-140). Values come from the keyboard or a pipe only."""

from __future__ import annotations

import argparse
import getpass
import sys

from jupyter_modelserve.cli.connection import connect
from jupyter_modelserve.errors import InvalidParameter


def put(arguments: argparse.Namespace) -> int:
    """Ask for the value, or read the first line of a pipe; arguments would show it to every user of the machine."""
    value = getpass.getpass(f"{arguments.name}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise InvalidParameter(f"{arguments.name}: nothing was given", details={"field": arguments.name})
    with connect() as client:
        client.put_secret(arguments.endpoint, arguments.name, value)
    print(f"{arguments.name} of endpoint {arguments.endpoint} is set; its versions start anew with it")
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Take it away."""
    with connect() as client:
        client.delete_secret(arguments.endpoint, arguments.name)
    print(f"{arguments.name} of endpoint {arguments.endpoint} is removed")
    return 0
