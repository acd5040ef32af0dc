"""Rules for names: models, aliases, stages, endpoints, URL segments (floor 0: imports nothing of ours but errors).

One place decides what a name may be, so that the gateway's router, the MLflow plugin, the magics and the API agree.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from jupyter_modelserve.errors import InvalidParameter

STAGES: Final = ("None", "Staging", "Production", "Archived")
"""The four fixed stages of the workspace registry (REQ-107)."""

_STAGE_BY_LOWER: Final = {stage.lower(): stage for stage in STAGES}
_ENDPOINT: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")
_ALIAS: Final = re.compile(r"^[\w-]{1,255}$")
_PART: Final = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_ -]{0,99}$")
_RESERVED_ALIAS: Final = re.compile(r"^(latest|v\d+)$", re.IGNORECASE)


class SegmentKind(StrEnum):
    """What the last segment of ``/model/<name>/<segment>/invocations`` means."""

    VERSION = "version"
    STAGE = "stage"
    ALIAS = "alias"


@dataclass(frozen=True, slots=True)
class Segment:
    """A parsed last segment: its kind and the canonical value (``production`` becomes ``Production``)."""

    kind: SegmentKind
    value: str


def canonical_stage(text: str) -> str | None:
    """``Production`` for ``production``; ``None`` when *text* is no stage name."""
    return _STAGE_BY_LOWER.get(text.lower())


def is_three_level(model: str) -> bool:
    """Whether *model* is ``catalog.schema.model`` (REQ-065); any other number of parts is a workspace name."""
    return model.count(".") == 2 and all(model.split("."))


def check_model(model: str) -> str:
    """Return *model* when it can be registered and addressed, else raise :class:`InvalidParameter`.

    MLflow forbids ``/``, ``:`` and blank names; we also forbid control characters, surrounding blanks, more than
    250 characters and ``@`` (``models:/name@alias`` would be ambiguous). Each part of a three-level name holds
    letters, digits, ``_``, ``-`` and inner blanks.
    """
    problem = _model_problem(model)
    if problem:
        raise InvalidParameter(f"model name {model[:80]!r} {problem}", details={"field": "model"})
    return model


def _model_problem(model: str) -> str | None:
    if not model or model != model.strip():
        return "is empty or begins or ends with a blank"
    if len(model) > 250:
        return "is longer than 250 characters"
    if any(character in model for character in "/:@%?#\\") or not model.isprintable():
        return "holds one of / : @ % ? # \\ or a control character"
    if model in {".", ".."} or ".." in model or model.startswith(".") or model.endswith("."):
        return "has an empty part between dots"
    if is_three_level(model):
        for part, role in zip(model.split("."), ("catalog", "schema", "model"), strict=True):
            if not _PART.match(part):
                return f"has a {role} part {part!r} with characters other than letters, digits, _ and -"
    return None


def check_alias(model: str, alias: str) -> str:
    """Return *alias* when it is usable for *model*, else raise :class:`InvalidParameter`.

    An alias that the last URL segment could not express is refused when it is set: digits mean a version, and the
    four stage names mean a stage on a one-level model.
    """
    problem = None
    if not _ALIAS.match(alias):
        problem = "may hold letters, digits, _ and - only (1 to 255 of them)"
    elif alias.isdigit():
        problem = "is a number, which means a version in an address"
    elif _RESERVED_ALIAS.match(alias):
        problem = "is reserved"
    elif not is_three_level(model) and canonical_stage(alias):
        problem = f"is the name of a stage, and {model!r} has stages"
    if problem:
        raise InvalidParameter(f"alias {alias[:80]!r} {problem}; choose another name", details={"field": "alias"})
    return alias


def check_endpoint(name: str) -> str:
    """Return *name* when it is a valid endpoint name, else raise :class:`InvalidParameter`."""
    if not _ENDPOINT.match(name):
        raise InvalidParameter(
            f"endpoint name {name[:80]!r} must be 1 to 63 letters, digits, - or _, and begin with a letter or digit",
            details={"field": "name"},
        )
    return name


def endpoint_for(model: str) -> str:
    """The default endpoint name of a model: dots and other characters become ``-``."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-_")[:63]
    return check_endpoint(name or "model")


def parse_segment(model: str, segment: str) -> Segment:
    """Read the last URL segment: digits = version; a stage name on a one-level model = stage; otherwise alias."""
    if segment.isascii() and segment.isdigit():
        return Segment(SegmentKind.VERSION, str(int(segment)))
    stage = canonical_stage(segment)
    if stage and not is_three_level(model):
        return Segment(SegmentKind.STAGE, stage)
    return Segment(SegmentKind.ALIAS, segment)


def split_reference(reference: str) -> tuple[str, Segment | None]:
    """Split what a user writes after ``%serve`` or ``%score``: ``name``, ``name@alias``, ``name/2`` or
    ``name/Production`` (with an optional ``models:/`` in front).

    Raises:
        InvalidParameter: the name or the part behind it is not usable.
    """
    text = reference.removeprefix("models:/")
    if "@" in text:
        model, _, alias = text.partition("@")
        return check_model(model), Segment(SegmentKind.ALIAS, check_alias(model, alias))
    if "/" in text:
        model, _, segment = text.partition("/")
        return check_model(model), parse_segment(model, segment)
    return check_model(text), None


def no_alias(model: str, alias: str, known: Iterable[str]) -> str:
    """That *model* has no such alias and which it has, for the user; its stages too where one seems to be meant."""
    text = f"{model} has no alias {alias!r} (its aliases: {', '.join(sorted(known)) or 'none'})"
    stage = None if is_three_level(model) else _stage_like(alias)
    return text if stage is None else f"{text}; did you mean {model}/{stage}? (stages: {', '.join(STAGES)})"


def _stage_like(text: str) -> str | None:
    """The stage that *text* is the beginning of, or a misspelling."""
    lower = text.lower()
    begun = [each for each in _STAGE_BY_LOWER if len(lower) >= 4 and each.startswith(lower)]
    close = begun or difflib.get_close_matches(lower, _STAGE_BY_LOWER, 1, 0.8)
    return _STAGE_BY_LOWER[close[0]] if close else None


def check_container(name: str, levels: int) -> str:
    """Return *name* when it can be a catalog (1 level) or a schema (2 levels), else raise :class:`InvalidParameter`."""
    parts = name.split(".")
    what = "catalog" if levels == 1 else "schema"
    if len(parts) != levels:
        form = "one word" if levels == 1 else "catalog.schema"
        raise InvalidParameter(f"{what} name {name[:80]!r} must be {form}", details={"field": "name"})
    for part in parts:
        if not _PART.match(part) or part != part.strip():
            raise InvalidParameter(
                f"{what} name {name[:80]!r} may hold letters, digits, _ and - only (1 to 100 of them)",
                details={"field": "name"},
            )
    return name
