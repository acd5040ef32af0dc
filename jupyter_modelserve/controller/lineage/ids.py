"""How nodes are called: readable, so that a database can be looked at, and the same for the same thing. Pure."""

from __future__ import annotations

import hashlib
from typing import Final

LONGEST: Final = 600
"""Characters; a longer name ends in a digest."""


def _id(kind: str, name: str) -> str:
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 40]}~{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return f"{kind}:{name}"


def version(model: str, number: str) -> str:
    """A version of a registered model."""
    return _id("version", f"{model}/{number}")


def model(name: str) -> str:
    """A registered model as a whole."""
    return _id("model", name)


def alias(name: str, alias: str) -> str:
    """An alias of a model."""
    return _id("alias", f"{name}@{alias}")


def stage(name: str, stage: str) -> str:
    """A stage of a model."""
    return _id("stage", f"{name}/{stage}")


def endpoint(name: str) -> str:
    """An endpoint."""
    return _id("endpoint", name)


def run(identity: str) -> str:
    """A run of MLflow."""
    return _id("run", identity)


def logged_model(identity: str) -> str:
    """A logged model of MLflow (``m-…``)."""
    return _id("logged", identity)


def notebook(path: str) -> str:
    """A notebook by its path, or by the id that another system gives it."""
    return _id("notebook", path)


def execution(identity: str) -> str:
    """One run of a notebook by a program."""
    return _id("execution", identity)


def output(path: str) -> str:
    """The notebook that an execution wrote."""
    return _id("output", path)


def consumer(kind: str, identity: str) -> str:
    """What loads a version: a notebook or job, as a client named it."""
    return _id("consumer", f"{kind}/{identity}")


def dataset(*parts: str) -> str:
    """A data set by all that tells it from another: kind and place of its source, name, digests."""
    text = "\0".join(parts)
    return _id("dataset", hashlib.sha256(text.encode()).hexdigest()[:32])


def buried(identity: str, number: int) -> str:
    """The id of what was deleted, so that its name is free for another thing."""
    return f"{identity}~{number}"
