"""The commands and their options. docs/reference/cli.md is generated from this."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from typing import Final

Run = Callable[[argparse.Namespace], int]
PROG: Final = "jupyter modelserve"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def build() -> argparse.ArgumentParser:
    """The whole parser; every command carries ``run``, which returns the exit code."""
    parser = argparse.ArgumentParser(prog=PROG, description="Register, serve and score models on this machine.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _up(commands.add_parser("up", help="start what is not running", description="Start the instance."))
    _down(commands.add_parser("down", help="stop everything", description="Stop the instance with all that it runs."))
    _status(commands.add_parser("status", help="show what runs", description="Show the instance and its endpoints."))
    _logs(commands.add_parser("logs", help="show logs", description="Show logs of the instance or of an endpoint."))
    _doctor(
        commands.add_parser("doctor", help="look for problems", description="Look for problems and say what to do.")
    )
    _token(commands.add_parser("token", help="show and manage tokens", description="Show and manage tokens."))
    _run(
        commands.add_parser("run", help="run a notebook", description="Run a notebook under papermill, for schedules.")
    )
    _check(
        commands.add_parser("check", help="try a model in a clean environment", description="Would this model serve?")
    )
    _image(commands.add_parser("image", help="take a model out as an image", description="Take a model out."))
    _secret(
        commands.add_parser("secret", help="set secrets of an endpoint", description="Set secret variables of a model.")
    )
    _apply(
        commands.add_parser("apply", help="make endpoints what files say", description="Create and change endpoints.")
    )
    _export(commands.add_parser("export", help="write endpoints as a file", description="Print endpoints as YAML."))
    _size(
        commands.add_parser("size", help="how much compute a load needs", description="Calculate compute for a load.")
    )
    return parser


def _lazily(module: str, function: str) -> Run:
    # A command's module is imported when the command runs: `--help` and `status` stay fast.
    def run(arguments: argparse.Namespace) -> int:
        return int(getattr(importlib.import_module(f"jupyter_modelserve.cli.{module}"), function)(arguments))

    return run


def _up(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, help="port on 127.0.0.1; chosen once and kept when left out")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait (default: 60)")
    parser.set_defaults(run=_lazily("lifecycle", "up"))


def _down(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=float, default=30, help="seconds until what remains is killed (default: 30)")
    parser.set_defaults(run=_lazily("lifecycle", "down"))


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.set_defaults(run=_lazily("status", "status"))


def _logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", help="gateway, controller, mlflow or the name of an endpoint; all three logs when left out"
    )
    parser.add_argument("-n", "--lines", type=_count, default=50, help="how many lines (default: 50)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on showing new lines until interrupted")
    parser.add_argument("--model", default="", help="of an endpoint: only this model")
    parser.add_argument("--version", default="", help="of an endpoint: only this version")
    parser.add_argument("--replica", default="", help="of an endpoint: only this replica; the first digits of its id")
    parser.set_defaults(run=_lazily("logs", "logs"))


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_lazily("doctor", "doctor"))


def _token(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_lazily("token", "show"))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    show = commands.add_parser("show", help="print your own token (the default)", description="Print your own token.")
    show.set_defaults(run=_lazily("token", "show"))
    create = commands.add_parser(
        "create", help="make a token for another program", description="Make a token; its secret is printed once."
    )
    create.add_argument("--comment", default="", help="what it is for")
    create.add_argument(
        "--lifetime", type=duration, help="such as 12h, 30d or a number of seconds; for ever if left out"
    )
    create.add_argument("--scope", choices=("all", "score"), default="all", help="what it may do (default: all)")
    create.set_defaults(run=_lazily("token", "create"))
    listing = commands.add_parser("list", help="list tokens", description="List your tokens without their secrets.")
    listing.set_defaults(run=_lazily("token", "listing"))
    revoke = commands.add_parser(
        "revoke", help="revoke a token", description="Revoke a token; it stops working at once."
    )
    revoke.add_argument("id", help="the token's id, from `token list`")
    revoke.set_defaults(run=_lazily("token", "revoke"))


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("notebook", help="the notebook; it stays as it is")
    parser.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        metavar=("NAME", "VALUE"),
        help="value for a name in the cell tagged parameters; may be repeated",
    )
    parser.add_argument(
        "-o", "--output", help="file or folder for the executed notebook (default: {name}-{time}-{run}.ipynb)"
    )
    parser.add_argument("--kernel", help="name of the kernel; the notebook's own if left out")
    parser.add_argument("--timeout", type=duration, help="the longest that one cell may take, such as 90s or 15m")
    parser.add_argument("--json", action="store_true", help="print the result as JSON for programs")
    parser.set_defaults(run=_lazily("run", "run"))


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="iris/2, iris@Champion, or a logged model: models:/m-… or runs:/…")
    parser.add_argument("--name", help="for a logged model: the model that it shall become a version of")
    parser.add_argument("--requirement", action="append", help="tried instead of the model's own; may be repeated")
    parser.add_argument("--without", action="append", help="name of a requirement to leave out; may be repeated")
    parser.add_argument("--python", help="try another Python, such as 3.10")
    parser.add_argument("--timeout", type=duration, default=3600, help="the longest to wait (default: 1h)")
    parser.add_argument("--json", action="store_true", help="print the whole check as JSON for programs")
    parser.set_defaults(run=_lazily("check", "check"))


def _image(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    export = commands.add_parser(
        "export",
        help="make a self-contained image (needs Docker)",
        description="Make an image that answers /ping and /invocations on port 8080 wherever it runs.",
    )
    export.add_argument("model", help="iris/2 or iris@Champion")
    export.add_argument("--tag", help="name of the image; the model and its version if left out")
    export.set_defaults(run=_lazily("image", "export"))
    written = commands.add_parser(
        "dockerfile",
        help="write a Dockerfile with all that it needs",
        description="Write a directory for `docker build`: Dockerfile, requirements, model and server.",
    )
    written.add_argument("model", help="iris/2 or iris@Champion")
    written.add_argument("directory", help="a directory that does not exist yet")
    written.set_defaults(run=_lazily("image", "dockerfile"))


def _secret(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    put = commands.add_parser(
        "set",
        help="set a secret; the value is asked for, or read from a pipe",
        description="Set a secret variable of an endpoint's models. The value is asked for, or read from a pipe.",
    )
    remove = commands.add_parser("remove", help="remove a secret", description="Remove a secret of an endpoint.")
    for each, function in ((put, "put"), (remove, "remove")):
        each.add_argument("endpoint", help="name of the endpoint")
        each.add_argument("name", help="name of the variable")
        each.set_defaults(run=_lazily("secret", function))
    rotate = commands.add_parser(
        "rotate-key",
        help="seal all secrets under a new key",
        description="Seal the secrets of all endpoints under a new key and forget the one before.",
    )
    rotate.set_defaults(run=_lazily("secret", "rotate_key"))


def _apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--file", action="append", required=True, help="YAML or JSON file, directory, or -; may be repeated"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, say what would be done, change nothing"
    )
    parser.add_argument("--diff", action="store_true", help="show what differs")
    parser.add_argument(
        "--secret-from-env",
        action="append",
        metavar="NAME",
        help="set this secret to the value of the environment variable of the same name; may be repeated",
    )
    parser.add_argument(
        "--no-wait", dest="wait", action="store_false", help="return at once, not when the endpoints answer"
    )
    parser.add_argument("--timeout", type=duration, default=600, help="the longest to wait for each (default: 10m)")
    parser.set_defaults(run=_lazily("apply", "apply"))


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("endpoint", nargs="*", help="names of endpoints; all when left out")
    parser.add_argument(
        "--schema", dest="run", action="store_const", const=_lazily("apply", "schema"),
        help="print the JSON schema of the files instead",
    )  # fmt: skip
    parser.set_defaults(run=_lazily("apply", "export"))


def _size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("requests", type=float, help="requests per second")
    parser.add_argument("seconds", type=float, help="seconds that one prediction takes")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.set_defaults(run=_lazily("size", "size"))


def duration(text: str) -> int:
    """Seconds of ``90``, ``90s``, ``15m``, ``12h`` or ``30d``."""
    number, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1)
    if not (number.isascii() and number.isdigit()) or int(number) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; use for example 90s, 15m, 12h or 30d")
    return int(number) * unit


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)
