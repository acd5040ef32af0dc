"""Checks and completes what a user asks for, before it is stored."""

from __future__ import annotations

import re
from dataclasses import replace

from jupyter_modelserve import names
from jupyter_modelserve.controller.endpoints import variables
from jupyter_modelserve.controller.endpoints.compute import LEAST_CORES, LEAST_MEMORY_GB, MOST_CORES, MOST_MEMORY_GB
from jupyter_modelserve.errors import InvalidParameter
from jupyter_modelserve.types import EndpointSpec, Selector, SelectorKind, ServedEntity, WorkloadType

MOST_ENTITIES = 10
MOST_REPLICAS = 32
MOST_TAGS, LONGEST_KEY, LONGEST_VALUE = 50, 128, 1024
LONGEST_TIMEOUT = 3600.0


def complete(spec: EndpointSpec) -> EndpointSpec:
    """*spec* with canonical selectors and entity names.

    Raises:
        InvalidParameter: names the field and what it may be.
    """
    names.check_endpoint(spec.name)
    if not 1 <= len(spec.entities) <= MOST_ENTITIES:
        raise _wrong("entities", f"must hold 1 to {MOST_ENTITIES} entities")
    if spec.request_timeout is not None and not 0 < spec.request_timeout <= LONGEST_TIMEOUT:
        raise _wrong("request_timeout", f"must be more than 0 and at most {LONGEST_TIMEOUT:g} seconds")
    variables.check(spec)
    _check_tags(spec.tags)
    entities = tuple(_entity(each, f"entities.{index}") for index, each in enumerate(spec.entities))
    seen = [each.name for each in entities]
    if len(set(seen)) != len(seen):
        raise _wrong("entities", f"must have different names, not {', '.join(seen)}")
    shares = sum(each.traffic for each in entities)
    if len(entities) == 1:
        entities = (replace(entities[0], traffic=100),)
    elif shares != 100:
        raise _wrong("entities", f"must share 100 percent of the traffic, not {shares}")
    return replace(spec, entities=entities, secrets=tuple(sorted(set(spec.secrets))))


def _check_tags(tags: dict[str, str]) -> None:
    """Tags become labels of containers, so they are short and of one line (REQ-049)."""
    if len(tags) > MOST_TAGS:
        raise _wrong("tags", f"can be {MOST_TAGS} at most")
    for key, value in tags.items():
        if not key.strip() or len(key) > LONGEST_KEY or len(value) > LONGEST_VALUE:
            raise _wrong("tags", f"need a name of 1 to {LONGEST_KEY} characters and a value of {LONGEST_VALUE} at most")
        if not (key + value).isprintable():
            raise _wrong("tags", f"may not hold control characters: {key[:40]!r}")


def _check_type(entity: ServedEntity, field: str) -> None:
    """Refuse what no machine of this kind has, with what it would be (REQ-119, REQ-138)."""
    kind = entity.workload_type
    if kind is not WorkloadType.CPU:
        problem = f"{kind.value} ({kind.hardware}) is not available here: the engines of this instance have CPUs only"
        raise _wrong(f"{field}.workload_type", f"{problem}; use CPU")


def _entity(entity: ServedEntity, field: str) -> ServedEntity:
    names.check_model(entity.model)
    selector = _selector(entity, f"{field}.selector")
    if not 0 <= entity.traffic <= 100:
        raise _wrong(f"{field}.traffic", "must be 0 to 100 percent")
    for count in ("replicas", "min_replicas", "max_replicas"):
        number = getattr(entity, count)
        if number is not None and not 1 <= number <= MOST_REPLICAS:
            zero = "; scale_to_zero lets it have none" if number == 0 and count == "min_replicas" else ""
            raise _wrong(f"{field}.{count}", f"must be 1 to {MOST_REPLICAS}{zero}")
    if entity.most < entity.least:
        raise _wrong(f"{field}.max_replicas", f"must be at least {entity.least}, the fewest replicas")
    for figure, least, most in (("cores", LEAST_CORES, MOST_CORES), ("memory_gb", LEAST_MEMORY_GB, MOST_MEMORY_GB)):
        value = getattr(entity, figure)
        if value is not None and not least <= value <= most:
            raise _wrong(f"{field}.{figure}", f"must be {least:g} to {most:g}")
    _check_type(entity, field)
    name = entity.name or _default_name(entity.model, selector)
    return replace(entity, selector=selector, name=name)


def _selector(entity: ServedEntity, field: str) -> Selector:
    kind, value = entity.selector.kind, entity.selector.value
    if kind is SelectorKind.ACTIVE:
        return Selector(kind)
    if not value:
        raise _wrong(field, f"needs a value: {kind.value}=…")
    if kind is SelectorKind.VERSION:
        if not value.isascii() or not value.isdigit():
            raise _wrong(field, f"needs a version number, not {value[:40]!r}")
        return Selector(kind, str(int(value)))
    if kind is SelectorKind.ALIAS:
        return Selector(kind, names.check_alias(entity.model, value))
    stage = names.canonical_stage(value)
    if stage is None:
        raise _wrong(field, f"needs one of the stages {', '.join(names.STAGES)}, not {value[:40]!r}")
    if names.is_three_level(entity.model):
        raise _wrong(field, f"cannot use stages: {entity.model} is a catalog model; use an alias")
    return Selector(kind, stage)


def _default_name(model: str, selector: Selector) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", f"{model}-{selector.value or selector.kind.value}")[:63]


def _wrong(field: str, problem: str) -> InvalidParameter:
    return InvalidParameter(f"{field} {problem}", details={"field": field})
