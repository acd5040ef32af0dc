"""``ms.lineage`` and ``ms.open_lineage``; ``%lineage`` is a thin line over them."""

from __future__ import annotations

from typing import Any

from jupyter_modelserve import names
from jupyter_modelserve.client import session
from jupyter_modelserve.client.lineage_results import LineageView
from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.errors import InvalidParameter, NotFound


def lineage(reference: str, *, direction: str = "both", history: bool = False) -> LineageView:
    """Where a version came from, and what names, copies and serves it: a picture in notebooks (REQ-083).

    Args:
        reference: ``iris/3``, ``iris@Champion``, or ``iris`` for all of its versions.
        direction: ``both``, ``upstream`` or ``downstream``. history: also what held once: aliases that moved away.

    Raises:
        NotFound: no such model, version or alias. PermissionDenied: no right on the model.
    """

    def run(client: Client) -> LineageView:
        model, number = _version(client, reference)
        title = f"Lineage of {model} version {number}" if number else f"Lineage of {model}"
        return LineageView(title, client.lineage(model, number, direction, history=history))

    return session.run(run)


def open_lineage(reference: str) -> list[dict[str, Any]]:
    """The lineage of one version as OpenLineage events, for a catalog that collects them; nothing is sent anywhere.

    Raises:
        NotFound: no such model, version or alias. InvalidParameter: *reference* names no version.
    """

    def run(client: Client) -> list[dict[str, Any]]:
        model, number = _version(client, reference)
        if not number:
            raise InvalidParameter(f"which version of {model}? write {model}/3 or {model}@Champion")
        return client.open_lineage(model, number)

    return session.run(run)


def _version(client: Client, reference: str) -> tuple[str, str]:
    model, segment = names.split_reference(reference)
    if segment is None:
        return model, ""
    if segment.kind is names.SegmentKind.STAGE:
        staged = [each.version for each in client.model(model).versions if each.stage == segment.value]
        found = staged[0] if staged else None
    elif segment.kind is names.SegmentKind.ALIAS:
        found = client.model(model).aliases.get(segment.value)
    else:
        return model, segment.value
    if found is None:
        raise NotFound(f"{model} has no version under {segment.value!r}", details={"model": model})
    return model, found


__all__ = ["lineage", "open_lineage"]
