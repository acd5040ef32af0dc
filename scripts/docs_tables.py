"""Reference pages that are one table: settings, addresses, errors, requirements. ``scripts/docs.py`` writes them."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jupyter_modelserve.addresses import TABLE, Owner, Rule
from jupyter_modelserve.errors import ModelServeError
from jupyter_modelserve.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
NOTE = "Written by `scripts/docs.py` from the code; do not edit."
OWNERS = {
    Owner.GATEWAY: "the gateway itself",
    Owner.WORKER: "the process that holds the loaded version",
    Owner.CONTROLLER: "the controller",
    Owner.MLFLOW: "MLflow's own server",
}
RULES = {
    Rule.OPEN: "nothing; no token is asked for",
    Rule.AUTHENTICATED: "a token with the scope `all`",
    Rule.SCORE: "any token",
    Rule.USE: "a token with the scope `all`",
    Rule.MANAGE: "a token with the scope `all`",
}


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def settings() -> str:
    """Every setting with its variable, default and meaning."""
    rows = []
    for each in dataclasses.fields(Settings):
        default = "empty" if each.default == "" else f"`{str(each.default).lower()}`"
        meaning = str(each.metadata["doc"])
        rows.append((f"`{each.name}`", f"`MODELSERVE_{each.name.upper()}`", default, meaning))
    return f"""\
# Settings

{NOTE}

A setting comes from its default, then from `settings.toml` in the state directory, then from its environment variable.
The daemons read their settings when they start: `jupyter modelserve down`, then `up`. An unknown name or a value of the
wrong type is an error that names file and setting. Times are seconds, sizes are bytes.

```toml
# settings.toml
request_timeout = 30
unknown_columns = "refuse"
```

{table(("setting", "variable", "default", "meaning"), rows)}
## Variables that are no settings

{table(("variable", "meaning"), VARIABLES)}"""


VARIABLES = (
    ("`MODELSERVE_HOME`", "The state directory; by default `modelserve` in the Jupyter data directory."),
    ("`MODELSERVE_URL`", "Use this instance instead of the local one; nothing is started then."),
    ("`MODELSERVE_TOKEN`", "Token for the instance that `MODELSERVE_URL` names."),
    ("`MODELSERVE_TOKEN_FILE`", "File with that token, instead of the variable."),
)


def addresses() -> str:
    """The prefix table that routes and authorises."""
    rows = [(f"`{each.path}`", each.owner.value, each.rule.value, each.doc) for each in TABLE]
    return f"""\
# Addresses

{NOTE}

The gateway's address carries everything. A path that ends in `/` covers all that is below it; any other is exact. The
first row that fits decides who answers and what the caller needs. A request that fits no row is answered 404.

{table(("path", "owner", "rule", "what"), rows)}
## Owners

{table(("owner", "who answers"), [(owner.value, OWNERS[owner]) for owner in Owner])}
## Rules

{table(("rule", "what a caller needs today"), [(rule.value, RULES[rule]) for rule in Rule])}
`authenticated`, `use` and `manage` ask for the same today. They are declared apart because the permission model, which
is planned, will tell them apart. Every operation below our own API's prefix names its rule: [REST API](rest-api.md).
"""


def errors() -> str:
    """The error tree, children below their parents."""
    rows = [
        (f"{'&nbsp;&nbsp;' * depth}`{cls.__name__}`", cls.status, f"`{cls.error_code}`", _first_line(cls))
        for cls, depth in tree(ModelServeError)
    ]
    return f"""\
# Errors

{NOTE}

Every refusal of ours has this one shape, with the HTTP status of its class:

```json
{{"error_code": "INVALID_PARAMETER_VALUE",
 "message": "missing columns: 'width'",
 "details": {{"missing": ["width"]}},
 "request_id": "e077b1fa529a00000091"}}
```

`message` is for people, `error_code` and `details` are for programs, and `request_id` is in the header `x-request-id`
of every answer as well. `Retry-After` is there when the same request may succeed later. An error never holds a
traceback, a secret or the caller's data. A head of more than 64 KiB is answered 431 with `BAD_REQUEST`.

MLflow's own addresses answer in MLflow's shape, which has `error_code` and `message` too. In Python the same classes
are raised: `from jupyter_modelserve.errors import NotFound`. Two classes exist in Python only: `ServingFailed` (409,
`SERVING_FAILED`), which `%serve` raises when a version cannot be served, and `CheckFailed` (409, `CHECK_FAILED`), which
`%register --check` raises instead of making a version; their `details` name the causes.

{table(("class", "status", "error_code", "meaning"), rows)}"""


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0].replace("``", "`")


def tree(cls: type[ModelServeError], depth: int = 0) -> list[tuple[type[ModelServeError], int]]:
    """*cls* and its subclasses in errors.py, depth first, in the order of the file."""
    found = [(cls, depth)]
    for child in cls.__subclasses__():
        if child.__module__ == ModelServeError.__module__:
            found += tree(child, depth + 1)
    return found


def requirements() -> str:
    """Every requirement with its title and how it is met when no test can tell."""
    source = tomllib.loads((ROOT / "docs" / "reference" / "requirements.toml").read_text(encoding="utf-8"))
    rows = [(number, entry["title"], _met(entry)) for number, entry in source.items()]
    return f"""\
# Requirements

{NOTE}

What this product shall do, in short titles. A test names the requirements that it proves; `make test` writes
`build/requirements.md`, which says for each one which tests proved it in that run, or that it is open. Here stands only
what no test decides.

{table(("number", "what", "met other than by tests"), rows)}"""


def _met(entry: dict[str, Any]) -> str:
    if "document" in entry:
        page = str(entry["document"])
        return f"[{page}](../../{page})"
    return f"not applicable: {entry['not_applicable']}" if "not_applicable" in entry else ""
