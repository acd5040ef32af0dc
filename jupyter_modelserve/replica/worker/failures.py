"""Why a version could not be loaded, as one named cause, one sentence and what to do (architecture §5, REQ-050).

The causes are the values of ``jupyter_modelserve.types.Cause``. What a traceback says in forty lines is nearly always
one of five things: a module is missing, two versions do not fit, a pickle does not open, a file is missing, memory.
"""

from __future__ import annotations

import os
import pickle
import re
import traceback
from typing import Dict, List, Optional, Tuple

from ..hiding import Hider
from .probe import ProbeFailed

_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "cv2": "opencv-python-headless", "PIL": "pillow", "yaml": "PyYAML",
    "skimage": "scikit-image", "bs4": "beautifulsoup4", "dateutil": "python-dateutil", "Crypto": "pycryptodome",
    "google.protobuf": "protobuf",
    "fitz": "PyMuPDF", "jwt": "PyJWT", "dotenv": "python-dotenv", "umap": "umap-learn", "hdbscan": "hdbscan",
    "pkg_resources": "setuptools", "attr": "attrs", "faiss": "faiss-cpu", "MySQLdb": "mysqlclient",
}  # fmt: skip
_PICKLERS = ("pickle.py", "cloudpickle", "joblib", "skops", "dill", "numpy_pickle", "_pickle", "pandas/compat/pickle")
_CONFLICTS = re.compile(
    r"dtype size changed|incompatible dtype|_ARRAY_API|compiled using NumPy"
    r"|module '(numpy|pandas|scipy|sklearn)[\w.]*' has no attribute"
    r"|undefined symbol|version mismatch|was trained with|requires? version",
    re.IGNORECASE,
)
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;,*]+)")
_LIMIT = 240

Failure = Dict[str, str]


def explain(error: BaseException, directory: str, hider: Hider) -> Failure:
    """``{"cause", "message", "hint"}`` for what was raised while the version in *directory* loaded or was probed.

    What *hider* hides is hidden before anything is shortened: the parent, which looks again, finds whole values only.
    """
    text = hider.clean_text(str(error))
    if isinstance(error, ProbeFailed) and error.module:
        return _missing_module(hider.clean_text(error.module), directory)
    if isinstance(error, ProbeFailed):
        return _failure(
            "probe failed",
            "the model did not answer its logged input example: %s" % text,
            "score the model with this example in a notebook (model.predict), then log it with an example that works",
        )
    if isinstance(error, MemoryError):
        return _out_of_memory()
    if isinstance(error, ModuleNotFoundError) and error.name:
        return _missing_module(hider.clean_text(error.name), directory)
    conflicts = version_conflicts(directory)
    sentence = _sentence(error, text)
    if isinstance(error, ImportError) or _CONFLICTS.search(text):
        return _conflict(sentence, conflicts)
    if _is_unpickling(error):
        return _conflict(sentence, conflicts) if conflicts else _cannot_unpickle(sentence, text)
    missing = _missing_file(error, hider)
    if missing is not None:
        message = "the file %s is missing from the model" % missing
        return _failure("artifacts missing", message, "log the model again and register the new version")
    return _failure("load failed", "the model could not be loaded: %s" % sentence, "the log has the whole traceback")


def version_conflicts(directory: str) -> List[Tuple[str, str, str]]:
    """Requirements pinned with ``==`` that this environment does not have: (name, wanted, installed)."""
    try:
        from importlib.metadata import PackageNotFoundError, version

        with open(os.path.join(directory, "requirements.txt"), encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        pin = _PIN.match(line.strip())
        if pin is None:
            continue
        try:
            installed = version(pin.group(1))
        except PackageNotFoundError:
            installed = "not installed"
        if installed.split("+")[0] != pin.group(2).split("+")[0]:
            found.append((pin.group(1), pin.group(2), installed))
    return found


def _missing_module(name: str, directory: str) -> Failure:
    top = name.partition(".")[0]
    requirement = _DISTRIBUTIONS.get(name) or _DISTRIBUTIONS.get(top) or top.replace("_", "-")
    message = "the module %s is not installed in the model's environment" % name
    if top in ("yaml", "mlflow"):
        message = "mlflow is not installed in the model's environment (no module %s)" % name
        hint = "add mlflow-skinny or mlflow to the model's requirements, then build the environment anew"
    elif top == "pyspark":
        hint = 'name the version of pyspark when you log the model: extra_pip_requirements=["pyspark==<version>"]'
    elif os.path.exists(os.path.join(directory, "code", top)) or os.path.exists(
        os.path.join(directory, "code", top + ".py")
    ):
        hint = (
            "the module is in the model's code directory but does not contain %s; log it with its whole package" % name
        )
    else:
        hint = (
            'log the model with extra_pip_requirements=["%s"] and register it again; '
            "if %s is a module of your own, log it with code_paths=[…]" % (requirement, top)
        )
    return _failure("missing module", message, hint)


def _conflict(sentence: str, conflicts: List[Tuple[str, str, str]]) -> Failure:
    listing = "; ".join("%s %s is wanted, %s found" % each for each in conflicts[:3])
    message = "installed versions do not fit the model: %s" % (listing or sentence)
    hint = (
        "build the environment from the model's own requirements"
        if conflicts
        else ('pin the version that the model was trained with: extra_pip_requirements=["<package>==<version>"]')
    )
    return _failure("version conflict", message, hint + "; the error was: " + sentence)


def _cannot_unpickle(sentence: str, text: str) -> Failure:
    attribute = re.search(r"[Cc]an't get attribute '?([\w.<>]+)'? on <module '([\w.]+)'", text)
    if attribute is not None:
        what = "%s of module %s" % (attribute.group(1), attribute.group(2))
        hint = "define it in a module that is logged with code_paths=[…], not in a notebook cell or script"
    else:
        what = sentence
        hint = "log the model again with the library versions of its requirements"
    return _failure("cannot unpickle", "the saved model cannot be unpickled: %s" % what, hint)


def _out_of_memory() -> Failure:
    hint = "choose a larger workload size, or serve fewer versions on this machine"
    return _failure("out of memory", "the memory did not suffice to load the model", hint)


def _is_unpickling(error: BaseException) -> bool:
    if isinstance(error, (pickle.UnpicklingError, EOFError)) or (
        "attribute" in str(error) and "__main__" in str(error)
    ):
        return True
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return any(part in frame.filename.replace(os.sep, "/") for frame in frames for part in _PICKLERS) or any(
        re.search(r"(pickle|joblib|dill)\.load|\.load\(f", frame.line or "") for frame in frames[-1:]
    )


def _missing_file(error: BaseException, hider: Hider) -> Optional[str]:
    if isinstance(error, FileNotFoundError) and error.filename:
        return os.path.basename(hider.clean_text(str(error.filename))) or "MLmodel"
    if 'Could not find an "MLmodel"' in str(error) or "No such artifact" in str(error):
        return "MLmodel"
    return None


def _sentence(error: BaseException, text: str) -> str:
    """The class of *error* and the first line of *text*, which is its message without secrets."""
    first = text.strip().split("\n")[0]
    found = "%s: %s" % (type(error).__name__, first) if first else type(error).__name__
    return found if len(found) <= _LIMIT else found[:_LIMIT] + "…"


def _failure(cause: str, message: str, hint: str) -> Failure:
    return {"cause": cause, "message": message, "hint": hint}
