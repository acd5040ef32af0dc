"""Works out a model's pip requirements in milliseconds.

MLflow infers them by loading the saved model in a new process (10 s and more, measured). We ask the pickler instead
which modules it meets, read the imports inside functions that travel by value, and pin the distributions installed
here, together with the flavour's own defaults. What is imported by name only at run time cannot be seen either way;
``extra_pip_requirements`` adds it.
"""

from __future__ import annotations

import dis
import inspect
import json
import sys
import types
from collections.abc import Iterator
from functools import cache
from importlib import import_module, metadata
from typing import Any, Final

from jupyter_modelserve.authoring.flavors import Flavor
from jupyter_modelserve.authoring.serialize import is_local

_ALWAYS: Final = {"sklearn": ("numpy", "pandas", "scipy"), "pyfunc": ("numpy", "pandas")}
_TRANSFORMERS: Final = ("transformers", "torch", "torchvision", "accelerate")
_NEVER: Final = frozenset(
    {"mlflow", "mlflow-skinny", "mlflow-tracing", "pip", "setuptools", "jupyter-modelserve", "ipython"}
)
"""MLflow adds itself; the others belong to the notebook, not to the model."""


def infer(model: Any, flavor: Flavor, arguments: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Pinned requirements for *model* as saved with *arguments*, and warnings about what cannot be installed."""
    found = {_key(each): each for each in _defaults(flavor, arguments)}
    warnings: list[str] = []
    for module in sorted(modules_of(model) | set(_ALWAYS.get(flavor.name, _ALWAYS["pyfunc"]))):
        for distribution in distributions_of(module)[:1]:
            if _normal(distribution) in _NEVER or _normal(distribution) in found:
                continue
            if _is_direct(distribution):
                warnings.append(
                    f"{distribution} is installed from a directory or URL: its version cannot be installed elsewhere; "
                    "pass code_paths or pip_requirements"
                )
            found[_normal(distribution)] = f"{distribution}=={_version(distribution)}"
    return sorted(found.values()), warnings


def _defaults(flavor: Flavor, arguments: dict[str, Any]) -> list[str]:
    if flavor.name == "pyfunc":
        return [f"cloudpickle=={_version('cloudpickle')}"]
    module = import_module(f"mlflow.{flavor.name}")
    if flavor.name == "sklearn":
        skops = arguments.get("serialization_format") == "skops"
        return list(module.get_default_pip_requirements(include_cloudpickle=not skops, include_skops=skops))
    if flavor.name == "transformers":
        # MLflow wants torchvision for every model, and fails without it; what is not installed here is not needed.
        return [f"{each}=={_version(each)}" for each in _TRANSFORMERS if _is_installed(each)]
    return list(module.get_default_pip_requirements())


def modules_of(model: Any) -> set[str]:
    """Top-level names of the installed modules that pickling *model* meets.

    Nothing is kept of the pickle. An object that cannot be pickled (a flavour with a format of its own) gives the
    modules of its ancestry.
    """
    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    seen: set[str] = {kind.__module__ for kind in type(model).__mro__}

    class Listener(cloudpickle.Pickler):  # type: ignore[misc, name-defined, unused-ignore]
        """Writes nowhere and notes where each object's type comes from."""

        def reducer_override(self, obj: Any) -> Any:
            seen.update(_origins(obj))
            return super().reducer_override(obj)

    try:
        Listener(_Nowhere()).dump(model)
    except Exception:  # noqa: BLE001 - the flavour has its own format then; the ancestry is what can be known
        seen.add(type(model).__module__)
    top = {name.split(".")[0] for name in seen if name}
    return {name for name in top if name not in sys.stdlib_module_names and name != "__main__" and not is_local(name)}


class _Nowhere:
    """A file that forgets, so that a large model is not held twice."""

    def write(self, data: Any) -> int:
        return len(data) if isinstance(data, (bytes, bytearray, str)) else memoryview(data).nbytes


def _origins(obj: Any) -> Iterator[str]:
    if isinstance(obj, types.ModuleType):
        yield obj.__name__
        return
    yield str(getattr(type(obj), "__module__", "") or "")
    if isinstance(obj, type):
        yield str(obj.__module__)
    elif isinstance(obj, types.FunctionType):
        yield str(obj.__module__ or "")
        yield from _imports(obj.__code__)


def _imports(code: types.CodeType) -> Iterator[str]:
    """Modules imported inside a function's body, and inside the functions nested in it."""
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME" and instruction.argval:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _imports(constant)


def distributions_of(module: str) -> list[str]:
    """Names of the installed distributions that bring a top-level *module*, in the order of the import path.

    The answer of :func:`importlib.metadata.packages_distributions`, which looks at every file of every distribution
    first: half a second, and several where the disk is cold or busy.
    """
    return [each.metadata["Name"] for each in _by_module().get(module, ())]


@cache
def _by_module() -> dict[str, list[metadata.Distribution]]:
    found: dict[str, list[metadata.Distribution]] = {}
    for distribution in metadata.distributions():
        declared = (distribution.read_text("top_level.txt") or "").split()
        for name in declared or _recorded(distribution):
            found.setdefault(name, []).append(distribution)
    return found


def _recorded(distribution: metadata.Distribution) -> set[str]:
    """Top-level modules and packages among the files that were installed."""
    record = distribution.read_text("RECORD")
    if record is None:  # an egg has lists of another kind
        paths = [str(path) for path in distribution.files or ()]
    else:
        paths = [line.partition(",")[0] for line in record.splitlines()]
    packages = {path.partition("/")[0] for path in paths if "/" in path and path.endswith(".py")}
    modules = {name for path in paths if "/" not in path and (name := inspect.getmodulename(path))}
    return packages | modules


def _version(distribution: str) -> str:
    return metadata.version(distribution).split("+")[0]


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _is_direct(distribution: str) -> bool:
    text = metadata.distribution(distribution).read_text("direct_url.json")
    return bool(text) and "url" in json.loads(text or "{}")


def _normal(distribution: str) -> str:
    return distribution.lower().replace("_", "-").replace(".", "-")


def _key(requirement: str) -> str:
    return _normal(requirement.split("=")[0].split("<")[0].split(">")[0].split("[")[0].strip())
