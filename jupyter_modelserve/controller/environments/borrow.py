"""Decide whether an interpreter already satisfies what a model declares, and say why when it does not.

Pure: works on a :class:`Declared` and an :class:`Inventory`. Requirements that only an installer can judge (URL, git,
editable, packaged wheels) never count as satisfied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from jupyter_modelserve.controller.environments.declared import MLFLOW, Declared, Entry
from jupyter_modelserve.controller.environments.inventory import Distribution, Inventory


def unmet(declared: Declared, offered: Inventory) -> str | None:
    """The first reason why *offered* cannot stand in for the environment of *declared*; ``None`` when it can."""
    if offered.minor != declared.minor:
        return f"it is Python {offered.minor}, and the model was logged with {declared.minor}"
    if declared.options.require_hashes:
        return "the model demands hashes, and what is installed has none"
    for entry in declared.entries:
        reason = _unmet_entry(entry, offered)
        if reason:
            return reason
    for entry in declared.constraints:
        reason = _broken_constraint(entry, offered)
        if reason:
            return reason
    if not offered.distributions.keys() & MLFLOW:
        return "mlflow is not installed"
    return None if "pandas" in offered.distributions else "pandas is not installed"


def needs_installer(declared: Declared) -> str | None:
    """Why no interpreter can be borrowed at all; ``None`` when looking is worth while."""
    for entry in (*declared.entries, *declared.constraints):
        if entry.requirement is None:
            return f"{entry.normal} must be installed to know what it is"
    return None


def borrowed_key(offered: Inventory) -> str:
    """Content key of an interpreter as it is now; changes when something is installed or removed."""
    return hashlib.sha256(f"borrowed {offered.fingerprint}".encode()).hexdigest()[:32]


def _unmet_entry(entry: Entry, offered: Inventory) -> str | None:
    if entry.requirement is None:
        return f"{entry.normal} must be installed to know what it is"
    if not _applies(entry.requirement, offered.markers):
        return None
    if entry.name in MLFLOW:
        return _unmet_mlflow(entry.requirement, offered)
    return _unmet_requirement(entry.requirement, offered, frozenset())


def _unmet_mlflow(requirement: Requirement, offered: Inventory) -> str | None:
    either = [_renamed(requirement, name) for name in ("mlflow", "mlflow-skinny")]
    reasons = [_unmet_requirement(each, offered, frozenset()) for each in either]
    # Extras of mlflow mean nothing to mlflow-skinny.
    usable = reasons[:1] if requirement.extras else reasons
    return None if None in usable else reasons[0]


def _renamed(requirement: Requirement, name: str) -> Requirement:
    twin = Requirement(str(requirement))
    twin.name = name
    return twin


def _unmet_requirement(requirement: Requirement, offered: Inventory, seen: frozenset[str]) -> str | None:
    name = canonicalize_name(requirement.name)
    installed = offered.distributions.get(name)
    if installed is None:
        return f"{name} is not installed"
    if requirement.url is not None:
        return f"{name} comes from an address"
    try:
        fits = requirement.specifier.contains(installed.version, prereleases=True)
    except InvalidVersion:
        fits = False
    if not fits:
        return f"{name} {installed.version} is installed, and the model requires {name}{requirement.specifier}"
    return _unmet_extras(requirement, installed, offered, seen)


def _unmet_extras(
    requirement: Requirement, installed: Distribution, offered: Inventory, seen: frozenset[str]
) -> str | None:
    for extra in sorted(requirement.extras):
        step = f"{installed.name}[{canonicalize_name(extra)}]"
        if step in seen:
            continue
        for text in installed.extra_requires:
            reason = _unmet_extra_line(text, extra, offered, seen | {step})
            if reason:
                return f"{step}: {reason}"
    return None


def _unmet_extra_line(text: str, extra: str, offered: Inventory, seen: frozenset[str]) -> str | None:
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return None
    without = {**offered.markers, "extra": ""}
    if wanted.marker is None or wanted.marker.evaluate(without):
        return None
    if not any(wanted.marker.evaluate({**without, "extra": each}) for each in (extra, canonicalize_name(extra))):
        return None
    return _unmet_requirement(wanted, offered, seen)


def _broken_constraint(entry: Entry, offered: Inventory) -> str | None:
    if entry.requirement is None:
        return f"constraint {entry.normal} must be installed to know what it is"
    if entry.name not in offered.distributions or not _applies(entry.requirement, offered.markers):
        return None
    return _unmet_requirement(entry.requirement, offered, frozenset())


def _applies(requirement: Requirement, markers: Mapping[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**markers, "extra": ""})
