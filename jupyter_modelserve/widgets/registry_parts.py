"""The parts of the registry browser as HTML. Everything that a user has named is escaped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jupyter_modelserve import names
from jupyter_modelserve.client.display import escape, when
from jupyter_modelserve.governed import AuditRecord, Catalog, EffectivePrivilege, Principal
from jupyter_modelserve.types import Endpoint, Model, ModelVersion, VersionState, VersionStatus
from jupyter_modelserve.widgets import pages

WORKSPACE: Final = "workspace"
"""Where models with a one-level name lie, as the panel calls it."""
_NOTEBOOK: Final = "modelserve.notebook.path"


def catalog_of(model: str) -> str:
    """The catalog that a model's name says, or :data:`WORKSPACE`."""
    return model.partition(".")[0] if names.is_three_level(model) else WORKSPACE


def head(url: str, me: Principal, catalogs: Sequence[Catalog], models: Sequence[Model], served: int) -> str:
    """Title and tiles; they count what the viewer may see."""
    known = {each.name for each in catalogs} | {catalog_of(each.name) for each in models}
    tiles = {
        "catalogs": len(known - {WORKSPACE}),
        "models": len(models),
        "versions": sum(len(each.versions) for each in models),
        "versions served": served,
    }
    who = f"{me.name}{', metastore admin' if me.admin else ''}"
    note = f"{escape(url)} · what {escape(who)} may see · {time.strftime('%H:%M:%S')}"
    drawn = "".join(f'<div class="ms-tile"><b>{number}</b>{name}</div>' for name, number in tiles.items())
    return f'<h2>Registry</h2><div class="ms-note">{note}</div><div class="ms-tiles">{drawn}</div>'


def model(found: Model, endpoints: Sequence[Endpoint]) -> str:
    """One model: what it is, and a row for each of its versions."""
    served = serving(endpoints, found.name)
    rows = [
        (
            each.version,
            chips(each.aliases),
            each.stage if each.stage != "None" else "",
            state(served.get(each.version, ())),
            when(each.created_at)[:16],
            escape(each.description[:80]),
        )
        for each in found.versions
    ]
    about = f'<p class="ms-note">{escape(found.description)}</p>' if found.description else ""
    made = f'<div class="ms-note">made {when(found.created_at)[:16]}, changed {when(found.updated_at)[:16]}</div>'
    top = ("version", "aliases", "stage", "served", "made", "description")
    return f"<h3>{escape(found.name)}</h3>{about}{made}{tags(found.tags)}{table(top, rows)}"


def serving(endpoints: Sequence[Endpoint], name: str) -> dict[str, list[tuple[str, VersionStatus]]]:
    """Version of the model *name* → the endpoints that serve or prepare it."""
    found: dict[str, list[tuple[str, VersionStatus]]] = {}
    for endpoint in endpoints:
        for each in endpoint.status.versions:
            if each.model == name:
                found.setdefault(each.version, []).append((endpoint.spec.name, each))
    return found


def state(served: Iterable[tuple[str, VersionStatus]]) -> str:
    """By which endpoints a version is served, and how that goes."""
    marks = {VersionState.READY: "ok", VersionState.FAILED: "bad"}
    return ", ".join(
        f"{pages.link(pages.FORM, name, endpoint=name)} "
        f'<span class="ms-{marks.get(each.state, "warn")}">{escape(each.state.value)}</span>'
        for name, each in served
    )


def version(found: ModelVersion, detail: Mapping[str, Any]) -> str:
    """One version: where it comes from, and what it takes and gives."""
    facts = {
        "aliases": chips(found.aliases),
        "stage": escape(found.stage) if found.stage != "None" else "",
        "status": escape(found.status) if found.status != "READY" else "",
        "made": when(found.created_at),
        "by the notebook": escape(found.tags.get(_NOTEBOOK, "")),
        "run": escape(found.run_id or ""),
        "copy of": escape(found.source) if found.source.startswith("models:/") and "/m-" not in found.source else "",
        "flavour": escape(", ".join(detail.get("flavors") or ())),
        "Python": escape(detail.get("python_version") or ""),
    }
    shown = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items() if value)
    text = f"<p>{escape(found.description)}</p>" if found.description else ""
    problem = f'<div class="ms-bad" role="alert">{escape(detail["problem"])}</div>' if detail.get("problem") else ""
    own = {key: value for key, value in found.tags.items() if not key.startswith(("mlflow.", "modelserve."))}
    needs = str(detail.get("requirements") or "").strip()
    requirements = f"<details><summary>Requirements</summary><pre>{escape(needs)}</pre></details>" if needs else ""
    return f"{problem}{text}<dl>{shown}</dl>{tags(own)}{signature(detail.get('signature'))}{requirements}"


def signature(found: Mapping[str, Any] | None) -> str:
    """Columns or tensors that go in and come out."""
    if not found:
        return '<div class="ms-warn">Without a signature: its requests are not checked.</div>'
    rows = [
        (
            part[:-1],
            escape(each.get("name") or ""),
            escape(_type(each)),
            "" if each.get("required", True) else "optional",
        )
        for part in ("inputs", "outputs", "params")
        for each in found.get(part) or ()
    ]
    return table(("signature", "name", "type", ""), rows)


def _type(column: Mapping[str, Any]) -> str:
    spec = column.get("tensor-spec")
    if isinstance(spec, Mapping):
        return f"tensor of {spec.get('dtype')}, shape {tuple(spec.get('shape') or ())}"
    found = column.get("type")
    return found if isinstance(found, str) else json.dumps(found)


def rights(found: Sequence[EffectivePrivilege], note: str = "") -> str:
    """Who may do what, and why."""
    rows = [
        (
            escape(each.principal),
            escape(each.privilege),
            escape(f"{each.inherited_from_type} {each.inherited_from_name}".strip()),
            escape(each.through),
        )
        for each in found
    ]
    said = f'<div class="ms-note">{escape(note)}</div>' if note else ""
    return said + (table(("who", "may", "from", "through"), rows) if rows else '<div class="ms-note">Nobody.</div>')


def history(records: Sequence[AuditRecord]) -> str:
    """Who changed what, the newest first."""
    rows = [
        (
            when(each.at),
            escape(each.principal or "(file)"),
            escape(each.action),
            escape(each.version),
            escape(each.before[:60]),
            escape(each.after[:60]),
        )
        for each in reversed(records)
    ]
    top = ("when", "who", "what", "version", "before", "after")
    return table(top, rows) if rows else '<div class="ms-note">No records.</div>'


def chips(found: Iterable[str]) -> str:
    """Aliases as small labels."""
    return "".join(f'<span class="ms-chip">{escape(each)}</span>' for each in found)


def tags(found: Mapping[str, str]) -> str:
    """Tags as small labels; MLflow's own and ours are left out."""
    own = {key: value for key, value in sorted(found.items()) if not key.startswith(("mlflow.", "modelserve."))}
    return f"<div>{chips(f'{key}: {value}'[:80] for key, value in own.items())}</div>" if own else ""


def table(top: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are safe HTML already; it scrolls by itself when the page is narrow."""
    first = "".join(f"<th>{each}</th>" for each in top)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="ms-scroll"><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>'


def problem(message: str) -> str:
    """What is wrong, in the place of what cannot be shown."""
    return f'<div class="ms-bad" role="alert">{escape(message)}</div>'
