"""What MLflow's deployment calls mean for an endpoint's specification. Pure: from what is there to what is asked for.

An endpoint of MLflow is ours; a deployment is one of its served entities, with a share of the traffic (REQ-156).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_modelserve import names
from jupyter_modelserve.errors import AlreadyExists, Conflict, InvalidParameter, NotFound
from jupyter_modelserve.plugins.deployment_words import Words
from jupyter_modelserve.types import Endpoint, EndpointSpec, ServedEntity, from_json, to_json


def find(endpoints: Sequence[Endpoint], name: str, endpoint: str | None = None) -> tuple[Endpoint, ServedEntity]:
    """The deployment *name*, and the endpoint that it belongs to.

    Raises:
        NotFound: there is none. InvalidParameter: several endpoints have one, and none was named.
    """
    found = [(each, entity) for each in endpoints for entity in each.spec.entities if entity.name == name]
    if endpoint is not None:
        within(endpoints, endpoint)
        found = [pair for pair in found if pair[0].spec.name == endpoint]
    elif any(each.spec.name == name for each, _ in found):
        found = [pair for pair in found if pair[0].spec.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(each.spec.name for each, _ in found)
        raise InvalidParameter(f"several endpoints have a deployment {name}: {several}; name the endpoint")
    where = f"endpoint {endpoint}" if endpoint else "any endpoint"
    known = sorted({entity.name for each in endpoints for entity in each.spec.entities})
    listed = f"; known are {', '.join(known[:8])}" if known else ""
    raise NotFound(f"{where} has no deployment {name!r}{listed}" if endpoint else f"no deployment {name!r}{listed}")


def within(endpoints: Sequence[Endpoint], name: str) -> Endpoint:
    """The endpoint *name*. Raises NotFound."""
    for each in endpoints:
        if each.spec.name == name:
            return each
    known = ", ".join(each.spec.name for each in endpoints[:8])
    raise NotFound(f"no endpoint {name!r}" + (f"; known are {known}" if known else "; there is none yet"))


def added(before: EndpointSpec | None, endpoint: str, name: str, reference: str, words: Words) -> EndpointSpec:
    """With a deployment more: it takes no traffic until it is given some, except that the first one takes all.

    Raises:
        AlreadyExists: the endpoint has a deployment of that name.
    """
    names.check_endpoint(name)
    spec: dict[str, Any] = to_json(before) if before else {"name": names.check_endpoint(endpoint), "entities": []}
    if any(each["name"] == name for each in spec["entities"]):
        raise AlreadyExists(f"endpoint {endpoint} has a deployment {name} already; use update_deployment")
    share = _share(words)
    spec["entities"].append(_entity({"name": name, "traffic": 0 if before else 100}, reference, words))
    return _whole(spec, name, share, words)


def changed(before: EndpointSpec, name: str, reference: str | None, words: Words) -> EndpointSpec:
    """With deployment *name* changed."""
    spec: dict[str, Any] = to_json(before)
    spec["entities"] = [_entity(each, reference, words) if each["name"] == name else each for each in spec["entities"]]
    return _whole(spec, name, _share(words), words)


def without(before: EndpointSpec, name: str) -> EndpointSpec | None:
    """Without deployment *name*; ``None`` when it was the only one, so that the endpoint ends.

    Raises:
        Conflict: it takes traffic, which must go elsewhere first.
    """
    rest = [each for each in before.entities if each.name != name]
    if not rest:
        return None
    if (share := sum(each.traffic for each in before.entities if each.name == name)) > 0:
        raise Conflict(f"deployment {name} takes {share} % of the traffic; give it to others first (update_endpoint)")
    return from_json(EndpointSpec, to_json(before) | {"entities": to_json(rest)})


def configured(before: EndpointSpec, words: Words) -> EndpointSpec:
    """With fields of the endpoint changed, and with its traffic shared out anew when *words* say how.

    Raises:
        InvalidParameter: traffic for a deployment that it does not have, shares that are not 100 in all, or a field of
            a deployment.
    """
    foreign = sorted(set(words.deployment) - {"traffic"})
    if foreign:
        raise _wrong(foreign[0], "belongs to a deployment; use update_deployment")
    spec: dict[str, Any] = to_json(before) | dict(words.endpoint)
    if "traffic" in words.deployment:
        shares = words.deployment["traffic"]
        if not isinstance(shares, Mapping):
            raise _wrong("traffic", 'must map deployments to percent, such as {"blue": 90, "green": 10}')
        known = [each["name"] for each in spec["entities"]]
        for name in shares:
            if name not in known:
                raise NotFound(f"endpoint {before.name} has no deployment {name!r}; it has {', '.join(known)}")
        found = {name: _percent(share) for name, share in shares.items()}
        if sum(found.values()) != 100:
            raise _wrong("traffic", f"must be 100 percent in all, not {sum(found.values())}")
        spec["entities"] = [{**each, "traffic": found.get(each["name"], 0)} for each in spec["entities"]]
    return from_json(EndpointSpec, spec)


def _entity(before: Mapping[str, Any], reference: str | None, words: Words) -> dict[str, Any]:
    fields = {name: value for name, value in words.deployment.items() if name != "traffic"}
    found = {**before, **fields}
    if reference is not None:
        model, segment = names.split_reference(reference)
        kind = "active" if segment is None else segment.kind.value
        found |= {"model": model, "selector": {"kind": kind, "value": segment.value if segment else None}}
    return found


def _whole(spec: dict[str, Any], name: str, share: int | None, words: Words) -> EndpointSpec:
    """Endpoint fields may come with a deployment as long as it is the only one: with others they would change those."""
    if words.endpoint and len(spec["entities"]) > 1:
        raise _wrong(min(words.endpoint), "belongs to the endpoint, which has other deployments; use update_endpoint")
    if share is not None:
        spec["entities"] = _shared(spec["entities"], name, share)
    return from_json(EndpointSpec, spec | dict(words.endpoint))


def _share(words: Words) -> int | None:
    value = words.deployment.get("traffic")
    if isinstance(value, Mapping):
        raise _wrong("traffic", "of a deployment is one number; update_endpoint takes shares of several")
    return None if value is None else _percent(value)


def _percent(value: Any) -> int:
    try:
        found = int(str(value))
    except ValueError:
        found = -1
    if not 0 <= found <= 100:
        raise _wrong("traffic", "must be 0 to 100 percent")
    return found


def _shared(entities: list[dict[str, Any]], name: str, share: int) -> list[dict[str, Any]]:
    """*share* for *name*; the others share the rest in the proportions that they have."""
    others = [each for each in entities if each["name"] != name]
    before, rest = sum(each["traffic"] for each in others), 100 - share
    if rest and not before:
        who = "no other deployment takes traffic" if others else "it is the only deployment"
        raise _wrong("traffic", f"{share} percent would leave {rest} to nobody: {who}")
    shares = {each["name"]: each["traffic"] * rest // before if before else 0 for each in others}
    # What rounding left over goes to those who have most, one each.
    for each in sorted(others, key=lambda each: -each["traffic"])[: rest - sum(shares.values())]:
        shares[each["name"]] += 1
    return [{**each, "traffic": shares.get(each["name"], share)} for each in entities]


def _wrong(name: str, problem: str) -> InvalidParameter:
    return InvalidParameter(f"config {name}: {problem}", details={"field": name})
