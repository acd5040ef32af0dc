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


def rotate_key(_: argparse.Namespace) -> int:
    """Seal everything under a new key; 1 when there are secrets that no key opens."""
    with connect() as client:
        found = client.rotate_secret_key()
    print(f"{found.renewed} secrets that had another key are sealed under key {found.key} now")
    if found.unused:
        print(f"these keys may be removed from the key file: {', '.join(found.unused)}")
    for each in found.unreadable:
        endpoint, name = each.split("/")
        print(f"no key opens {name} of {endpoint}; set it again: jupyter modelserve secret set {endpoint} {name}")
    return 1 if found.unreadable else 0
