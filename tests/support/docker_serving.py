"""Serve models in containers in a test, and look at the containers as ``docker inspect`` shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jupyter_modelserve.client.sync import Client
from jupyter_modelserve.types import Endpoint, EndpointSpec, EngineChoice, Selector, SelectorKind, ServedEntity
from tests.support import docker_engine, zoo
from tests.support.instance import RunningInstance

SETTINGS = 'engine = "{engine}"\nbase_image = "{base}"\nworkload_sizes = "Small=1:1 Medium=2:2 Large=2:4"\n'
SETTINGS += "scale_to_zero = 2.0\nzero_keep = 3.0\n"
"""Sizes for a machine of continuous integration; what may go to zero does so within seconds."""


def requirements() -> list[str]:
    """One small environment for all models of these tests, so that it is built once."""
    from importlib.metadata import version

    names = ("mlflow-skinny", "pandas", "numpy", "cloudpickle", "scikit-learn")
    return [f"{name}=={version(name)}" for name in names]


def register(mlflow: Any, name: str, model: Any, example: Any = None, **options: Any) -> str:
    """Log and register a model of these tests; returns the version."""
    return zoo.register(mlflow, name, model, example, pip_requirements=requirements(), **options)


@dataclass
class Serving:
    """Endpoints of one test."""

    instance: RunningInstance
    client: Client
    names: list[str] = field(default_factory=list)

    def put(
        self, model: str, *, engine: EngineChoice | None = None, wait: float = 300.0, name: str = "", **fields: Any
    ) -> Endpoint:
        """Serve every active version of *model*; with ``wait=0`` it returns at once."""
        entity = ServedEntity(model, Selector(SelectorKind.ACTIVE), **fields)
        spec = EndpointSpec(name or model, (entity,), engine=engine)
        self.names.append(spec.name)
        found = self.client.put_endpoint(spec)
        return self.client.wait_ready(spec.name, found.generation, wait, None, None) if wait else found

    def containers(self, endpoint: str) -> list[dict[str, Any]]:
        """What ``docker inspect`` shows of an endpoint's containers."""
        return docker_engine.containers(docker_engine.instance_id(self.instance.paths), endpoint)

    def end(self) -> None:
        """Stop all endpoints of the test."""
        for name in dict.fromkeys(self.names):
            self.client.delete_endpoint(name)
            self.client.wait_gone(name)
