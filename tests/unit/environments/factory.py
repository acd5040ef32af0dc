"""Models on disk that are nothing but their environment files, inventories, and a wheel made by hand."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from jupyter_modelserve.controller.environments.declared import Declared
from jupyter_modelserve.controller.environments.inventory import Distribution, Inventory
from jupyter_modelserve.controller.environments.requirements import read_requirements

MLMODEL = """\
flavors:
  python_function:
    env:
      conda: conda.yaml
      virtualenv: python_env.yaml
    loader_module: mlflow.sklearn
    python_version: 3.11.7
mlflow_version: 3.17.2
"""
MARKERS = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6",
    "platform_system": "Linux",
    "platform_version": "1",
    "python_full_version": "3.11.7",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def model(directory: Path, **files: str) -> Path:
    """A model directory; ``requirements_txt="…"`` writes requirements.txt, MLmodel has a default."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in {"MLmodel": MLMODEL, **files}.items():
        (
            directory / (name if name == "MLmodel" else name.replace("_txt", ".txt").replace("_yaml", ".yaml"))
        ).write_text(text)
    return directory


def declared(directory: Path, **files: str) -> Declared:
    """What such a model declares."""
    return read_requirements(model(directory, **files))


def inventory(*installed: str, minor: str = "3.11", extras: Mapping[str, tuple[str, ...]] | None = None) -> Inventory:
    """An interpreter with ``name==version`` distributions; mlflow and pandas are always there unless named."""
    named = dict(each.split("==") for each in ("mlflow==3.17.2", "mlflow-skinny==3.17.2", "pandas==3.1.1", *installed))
    found = {
        name: Distribution(name, version, (extras or {}).get(name, ())) for name, version in named.items() if version
    }
    markers = {**MARKERS, "python_version": minor, "python_full_version": f"{minor}.9"}
    return Inventory("/somewhere/python", markers, found)


def wheel(directory: Path, name: str, version: str = "1.0", requires: tuple[str, ...] = (), body: str = "") -> Path:
    """A pure-Python wheel with one module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": body or f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {each}\n" for each in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return target
