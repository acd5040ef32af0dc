"""What ``score`` may be pointed at: an endpoint's name, or a model with a version, stage or alias."""

from __future__ import annotations

from dataclasses import dataclass

from jupyter_modelserve import names
from jupyter_modelserve.client import calls
from jupyter_modelserve.errors import InvalidParameter, NotFound
from jupyter_modelserve.types import Endpoint, Model


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed reference. ``segment`` is ``None`` for a bare name: an endpoint first, else a model."""

    name: str
    segment: names.Segment | None

    @property
    def path(self) -> str:
        """The address that is tried first."""
        if self.segment is None:
            return calls.endpoint_path(self.name)
        return calls.scoring_path(self.name, self.segment.value)


def parse(reference: str) -> Target:
    """Read ``endpoint``, ``model@alias``, ``model/2`` or ``model/Production``.

    Raises:
        InvalidParameter: the reference cannot be one of these.
    """
    return Target(*names.split_reference(reference))


def could_be_endpoint(name: str) -> bool:
    """Whether *name* fits an endpoint; a three-level model name, for one, does not."""
    try:
        names.check_endpoint(name)
    except InvalidParameter:
        return False
    return True


def among(name: str, endpoints: list[Endpoint], models: list[Model]) -> str:
    """The address for a bare name that is no endpoint: the endpoint that serves this model, if it is exactly one.

    Raises:
        NotFound: nothing is called so, or it is not served.
        InvalidParameter: several endpoints serve the model, so that the name alone does not say which.
    """
    serving = [each for each in endpoints if any(entity.model == name for entity in each.spec.entities)]
    if len(serving) == 1:
        return calls.endpoint_path(serving[0].spec.name)
    if serving:
        found = ", ".join(sorted(each.spec.name for each in serving))
        raise InvalidParameter(f"several endpoints serve {name}: {found}; name one of them, or {name}/<version>")
    if any(each.name == name for each in models):
        raise NotFound(f"model {name} is registered but not served; run %serve {name} first")
    known = sorted({each.spec.name for each in endpoints} | {each.name for each in models})
    hint = f"known: {', '.join(known[:8])}" if known else "nothing is registered yet; begin with %register"
    raise NotFound(f"no endpoint and no model is called {name!r}; {hint}")
