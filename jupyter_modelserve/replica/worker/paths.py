"""The decision at load how a version is scored: through pyfunc or around it, alone or in batches, and why.

Everything here may only fall back: whatever goes wrong while a short cut is looked for leaves the plain way.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Dict, List, Optional, Tuple

from . import independence, samples
from .compiled import Reader, Row, compile_reader
from .config import Config
from .direct.base import Outside, Predict, Unsuitable
from .direct.find import find
from .encode import plain
from .probe import logged_example
from .sameness import same
from .scorer import Reading, Scorer
from .signature import ModelFile

_SAMPLES = 48
_VERIFIED = 8
"""Rows of the direct path's domain that must be answered equally."""


class Paths:
    """How a version is scored.

    ``path`` goes to the parent, ``direct_seconds`` is what one direct row takes, and ``ignores_index`` says that the
    model is an estimator to which the caller's index labels mean nothing.
    """

    def __init__(self) -> None:
        self.reader: Optional[Reader] = None
        self.direct: Optional[Predict] = None
        self.direct_seconds = 0.0
        self.batches = False
        self.path: Dict[str, str] = {"kind": "pyfunc", "reason": ""}
        self.batching_reason = ""
        self.ignores_index = False


def choose(model: Any, model_file: ModelFile, scorer: Scorer, config: Config) -> Paths:
    """Choose and verify the paths of a loaded model that answered its probe."""
    paths = Paths()
    if not config.direct and config.batching is False:
        paths.path["reason"], paths.batching_reason = "switched off (direct)", "switched off"
        return paths
    rows = _rows(model_file, scorer)
    paths.ignores_index = independence.judge(model, model_file) == (True, independence.KNOWN)
    paths.reader = compile_reader(model_file, config.json_depth)
    paths.batches, paths.batching_reason = _batches(model, model_file, config, rows)
    if not config.direct:
        paths.path["reason"] = "switched off (direct)"
        return paths
    try:
        name = _find_direct(paths, model, model_file, rows)
        paths.path = {"kind": "direct", "reason": name}
    except Unsuitable as error:
        paths.direct = None
        paths.path["reason"] = str(error)
    except BaseException as error:  # noqa: BLE001 - an unknown version of a library may differ in any way
        paths.direct = None
        paths.path["reason"] = "the direct path failed (%s)" % type(error).__name__
    return paths


def _rows(model_file: ModelFile, scorer: Scorer) -> Any:
    """Sample data for the checks: like the logged example, else invented; ``None`` when there is none."""
    try:
        example = logged_example(model_file)
        if example is not None:
            reading = scorer.read(example, "application/json", "probe")
            if isinstance(reading, Reading) and not reading.params:
                return samples.vary(reading.prepared.data, _SAMPLES)
        return samples.from_signature(model_file, _SAMPLES)
    except Exception as error:  # noqa: BLE001 - the checks then have nothing to go by
        sys.stderr.write("no sample rows: %s\n" % type(error).__name__)
        return None


def _batches(model: Any, model_file: ModelFile, config: Config, rows: Any) -> Tuple[bool, str]:
    if config.batching is not None:
        return config.batching, "set to " + ("on" if config.batching else "off")
    known, reason = independence.judge(model, model_file)
    if not known or rows is None:
        return known, reason
    head = rows[: independence.ROWS] if not hasattr(rows, "iloc") else rows.iloc[: independence.ROWS]
    passed, verdict = independence.probe(model.predict, head)
    return passed, reason if passed else verdict


def _find_direct(paths: Paths, model: Any, model_file: ModelFile, rows: Any) -> str:
    """Sets the direct path of *paths* and returns the estimator's name.

    Raises:
        Unsuitable: there is none, or it could not be verified, or it differs.
    """
    if paths.reader is None:
        raise Unsuitable("the signature is not made of plain columns")
    name, direct = find(model, model_file, paths.reader)
    if rows is None:
        raise Unsuitable("there are no rows to verify it with")
    _verify(direct, model, rows, paths.reader)
    paths.direct = direct
    paths.direct_seconds = _measure(direct, rows, paths.reader)
    return name


def _verify(direct: Predict, model: Any, rows: Any, reader: Reader) -> None:
    """Compare with pyfunc: all rows within the domain together, some alone.

    Raises:
        Unsuitable: an answer differs, or too few rows are within the domain.
    """
    inside = [row for row in _as_lists(rows) if _answers(direct, reader.matrix([row]))]
    if len(inside) < _VERIFIED:
        raise Unsuitable("too few sample rows are within the direct path's domain")
    for chosen in (inside, inside[:1], inside[1:3]):
        if not same(plain(direct(reader.matrix(chosen))), plain(model.predict(reader.data(chosen)))):
            raise Unsuitable("the direct path's answers differ from pyfunc's")


def _as_lists(rows: Any) -> List[Row]:
    """Rows of Python values, each column with a class of its own; NaN as the null that JSON has for it."""
    if not hasattr(rows, "iloc"):
        return [list(row) for row in rows.tolist()]
    columns = [rows.iloc[:, position].tolist() for position in range(rows.shape[1])]
    return [[None if value != value else value for value in row] for row in zip(*columns)]


def _answers(direct: Predict, matrix: Any) -> bool:
    try:
        direct(matrix)
    except Outside:
        return False
    return True


def _measure(direct: Predict, rows: Any, reader: Reader) -> float:
    """Seconds of the quickest of three one-row predictions."""
    matrix = next(each for each in (reader.matrix([row]) for row in _as_lists(rows)) if _answers(direct, each))
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        direct(matrix)
        times.append(time.perf_counter() - begin)
    return min(times)
