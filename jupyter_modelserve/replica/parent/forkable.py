"""Whether a version may be forked from the zygote, read from its files without running anything of it.

The spawned worker is the rule that the forked one must not differ from. Whatever could tell the two apart is spawned:
libraries that do not survive a fork, variables that libraries read when they are imported, and modules of the model's
own that are called like one that the zygote has imported already.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, NamedTuple, Set

_LOADER = re.compile(r"^\s+loader_module:\s*['\"]?([\w.]+)", re.MULTILINE)
_CODE = re.compile(r"^\s+code:\s*['\"]?([^\s'\"]+)", re.MULTILINE)
_FRAGILE = frozenset(
    "cudf cuml cupy diviner fastai h2o jax johnsnowlabs keras mxnet paddle paddlepaddle polars pycuda pyspark "
    "pytorch sentence_transformers spark tensorflow torch transformers vllm".split()
)
"""Names (of MLflow's flavours and of distributions) of libraries with threads, devices or virtual machines."""
_FORMAT = re.compile(r"^\s+serialization_format:\s*['\"]?(\w+)", re.MULTILINE)
_REQUIREMENT = re.compile(r"^[\s-]*([A-Za-z0-9][A-Za-z0-9._]*(?:-[A-Za-z0-9._]+)*)", re.MULTILINE)
_MOST = 256 * 1024


class Forkable(NamedTuple):
    """``reason``: why not, empty when it may be forked. ``flavors``: what of the flavours' libraries it needs.
    ``modules``: top-level names in the model's code directory.
    """

    reason: str
    flavors: List[str]
    modules: List[str]


def judge(spec: Dict[str, Any]) -> Forkable:
    """Look at the files of a WorkerSpec; files that cannot be read say nothing (loading will say it)."""
    directory = str(spec["directory"])
    text = _read(os.path.join(directory, "MLmodel"))
    found = _LOADER.search(text)
    loader = found.group(1) if found else ""
    flavors = [name for name in (loader, *_FORMAT.findall(text)) if name]
    if spec["environ"] or spec.get("secrets"):
        return Forkable("it has variables of its own", flavors, [])
    fragile = sorted({part for part in loader.split(".") if part in _FRAGILE} | _required(directory))
    if fragile:
        return Forkable("%s does not survive a fork" % fragile[0], flavors, [])
    return Forkable("", flavors, _modules(directory, text))


def _required(directory: str) -> Set[str]:
    text = _read(os.path.join(directory, "requirements.txt")) or _read(os.path.join(directory, "conda.yaml"))
    names = {match.group(1).lower().replace("-", "_") for match in _REQUIREMENT.finditer(text)}
    return {name for name in names if name in _FRAGILE or name.partition("_")[0] in ("tensorflow", "torch", "cudf")}


def _modules(directory: str, text: str) -> List[str]:
    names: Set[str] = set()
    for match in _CODE.finditer(text):
        if match.group(1) in ("null", "~"):
            continue
        try:
            names.update(name.partition(".")[0] for name in os.listdir(os.path.join(directory, match.group(1))))
        except OSError:
            continue
    return sorted(names - {"", "__pycache__"})


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read(_MOST)
    except OSError:
        return ""
