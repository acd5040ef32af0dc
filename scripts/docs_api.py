"""docs/reference/rest-api.md from the controller's OpenAPI document and types.py. ``scripts/docs.py`` writes it."""

from __future__ import annotations

import dataclasses
import json
import re
from enum import Enum
from typing import Any

from jupyter_modelserve import checked, computing, governed, traced, types
from jupyter_modelserve.addresses import API
from jupyter_modelserve.controller.app import create_app
from jupyter_modelserve.controller.registry import detail, outline
from scripts import docs_governance
from scripts.docs_tables import NOTE, table

HEAD = f"""\
# REST API

{NOTE}

Below `http://127.0.0.1:<port>{API}`. Send `Authorization: Bearer <token>`, or Basic with the user name `token`. Bodies
and answers are JSON; refusals have [the one error shape](errors.md). Scoring has addresses of its own:
[scoring](scoring.md). The running instance gives the same as an OpenAPI document at `{API}/openapi.json`.

```bash
url=$(jupyter modelserve status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"]["url"])')
curl -sS -H "Authorization: Bearer $(jupyter modelserve token)" "$url{API}/endpoints"
```
"""

TALK: dict[tuple[str, str], tuple[str, str]] = {
    ("GET", "/status"): ("", "`InstanceStatus`"),
    ("GET", "/openapi.json"): ("", "the document"),
    ("POST", "/secret-key/rotate"): ("", "`SecretKeyRotation`; 503 when the keys cannot be used"),
    ("GET", "/endpoints"): ("", '`{"endpoints": [Endpoint], "next_page_token": ""}`'),
    ("PUT", "/endpoints/{name}"): (
        (
            "`EndpointSpec`; its `name` may be left out, `secrets` too to keep them, "
            '`"secret_values": {"NAME": "value"}` added'
        ),
        "`Endpoint`; 412 when it is not what `If-Match` or `If-None-Match` says",
    ),
    ("PUT", "/endpoints/{name}/secrets/{secret}"): ('`{"value": "…"}`', "`Endpoint`"),
    ("DELETE", "/endpoints/{name}/secrets/{secret}"): ("", "`Endpoint`"),
    ("GET", "/compute/advice"): ("", "`Advice`"),
    ("GET", "/endpoints/{name}"): ("", "`Endpoint` with `ETag`; 404 when there is none"),
    ("DELETE", "/endpoints/{name}"): ("", "`Endpoint` with `deleting: true`; later 404"),
    ("GET", "/endpoints/{name}/events"): (
        "",
        (
            '`{"events": [Event]}`. With `Accept: text/event-stream` a stream: every event as `id`, `event: <kind>` '
            "and `data: <Event>`, `event: status` with the `Endpoint` at once and at every change, `event: gone` at "
            "the end, and a comment every 10 s. `Last-Event-ID` continues"
        ),
    ),
    ("GET", "/endpoints/{name}/logs"): (
        "",
        (
            "`MergedLog`; `next` as `after` gives what came since. Each line of `logs` begins with replica and version "
            "where there are several"
        ),
    ),
    ("GET", "/models"): ("", '`{"models": [Model]}`'),
    ("GET", "/models/{name}"): ("", "`Model`; 404 when it is not registered"),
    ("POST", "/models/{name}/versions/{version}/check"): ('`{"overrides": Overrides}`, or empty', '`{"check": Check}`'),
    ("GET", "/models/{name}/versions/{version}/check"): ("", "`VersionChecks`"),
    ("POST", "/checks"): ("`CheckRequest`", '`{"check": Check}`'),
    ("GET", "/checks/{check}"): ("", '`{"check": Check}`; 404 when it is long over, or the controller started anew'),
    ("DELETE", "/checks/{check}"): ("", '`{"check": Check}`'),
    ("GET", "/models/{name}/versions/{version}"): ("", "`VersionDetail`; 404 when there is none"),
    ("GET", "/models/{name}/lineage"): ("", "`Lineage`; what the caller may not see is `withheld`"),
    ("GET", "/models/{name}/versions/{version}/lineage"): ("", "`Lineage`; 404 when there is no such version"),
    ("GET", "/models/{name}/versions/{version}/openlineage"): ("", '`{"events": [RunEvent or JobEvent]}`'),
    ("GET", "/notebook-runs"): ("", '`{"runs": [NotebookRun]}`'),
    ("GET", "/notebook-runs/{run}"): ("", "`NotebookRun`; 404 when there is none"),
    ("PUT", "/notebook-runs/{run}"): (
        "`NotebookRun` of at most 256,000 bytes; `principal`, `number` and `left_out` are not read",
        "`NotebookRun`; 403 when the run is somebody else's",
    ),
    ("GET", "/outline"): ("", "`Outline`"),
    ("POST", "/interpreters"): (
        '`{"path": "/path/to/python"}`; the local user only',
        '`{"path": "…", "python_version": "…"}`',
    ),
    ("GET", "/tokens"): ("", '`{"tokens": [TokenInfo]}`'),
    ("POST", "/tokens"): (
        '`{"comment": "", "lifetime": seconds or null, "scopes": ["all"]}`; an admin adds `"principal"`',
        '`{"token": "ms_…", "info": TokenInfo}`; the secret is shown this once',
    ),
    ("DELETE", "/tokens/{token_id}"): ("", "nothing"),
}
TALK |= docs_governance.TALK
"""Body and answer of each operation, which FastAPI does not know: they are JSON of our own dataclasses."""

SHOWN = (
    types.EndpointSpec, types.ServedEntity, types.Selector, types.Endpoint, types.EntityCompute, types.EndpointStatus,
    types.VersionStatus, types.Environment, types.Phase, types.Failure, types.Event, types.MergedLog, types.LogLine,
    computing.Advice, types.Model, types.ModelVersion, types.InstanceStatus,
    types.DaemonStatus, types.TokenInfo, detail.VersionDetail, detail.VersionFile, outline.Outline,
    traced.Lineage, traced.LineageNode, traced.LineageEdge, traced.NotebookRun,
    outline.OutlineModel, governed.Metastore, governed.Catalog, governed.Schema, governed.Principal, governed.Grant,
    checked.Check, checked.CheckRequest, checked.Overrides, checked.VersionChecks,
    governed.GrantResult, governed.EffectivePrivilege, governed.Decision, governed.MissingRight, governed.AuditRecord,
)  # fmt: skip


TYPES = """
## Types

Times are milliseconds since 1970, 0 stands for never. A field with a default may be left out.
"""


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Method and path below the prefix to the OpenAPI operation."""
    paths = create_app(None).openapi()["paths"]
    return {
        (method.upper(), path.removeprefix(API)): operation
        for path, methods in paths.items()
        if path.startswith(API + "/")
        for method, operation in methods.items()
    }


def render() -> str:
    """The page."""
    parts = [HEAD, "\n## Operations\n"]
    parts += [_operation(*key, operation) for key, operation in operations().items()]
    parts += [TYPES]
    parts += [_type(each) for each in SHOWN]
    return "".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    body, answer = TALK[method, path]
    status = next(code for code in operation["responses"] if code.startswith("2"))
    query = [_parameter(each) for each in operation.get("parameters", []) if each["in"] == "query"]
    text = re.sub(r"\s+", " ", operation.get("description", "")).replace("``", "`")
    rule = f"- rule: `{operation['x-modelserve-operation']}`, see [permissions](permissions.md)"
    lines = [f"\n### {method} {path}\n", text, "", rule]
    lines += [f"- query: {', '.join(query)}"] if query else []
    lines += [f"- body: {body}"] if body else []
    return "\n".join([*lines, f"- answer: {status}, {answer}", ""])


def _parameter(parameter: dict[str, Any]) -> str:
    default = parameter["schema"].get("default")
    return f"`{parameter['name']}`" + (
        " (required)" if parameter["required"] else f" (default `{json.dumps(default)}`)"
    )


def _type(cls: type) -> str:
    text = re.sub(r"\s+", " ", cls.__doc__ or "").replace("``", "`").strip()
    rows = [(f"`{each.name}`", f"`{_readable(each.type)}`", _default(each)) for each in dataclasses.fields(cls)]
    return f"\n### {cls.__name__}\n\n{text}\n\n{table(('field', 'type', 'default'), rows)}"


def _readable(annotation: Any) -> str:
    found = re.sub(r"tuple\[(\w+), \.\.\.\]", r"[\1]", str(annotation)).replace("None", "null").replace("Any", "JSON")
    for name in re.findall(r"\w+", found):
        modules = (types, computing, governed, checked, traced)
        known = next((getattr(each, name) for each in modules if hasattr(each, name)), None)
        if isinstance(known, type) and issubclass(known, Enum):
            found = re.sub(rf"\b{name}\b", " | ".join(f'"{each.value}"' for each in known), found)
    return found


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "`{}`"
    if field.default is dataclasses.MISSING:
        return ""
    return f"`{json.dumps(types.to_json(field.default))}`"
