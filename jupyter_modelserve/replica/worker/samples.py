"""Rows for the checks at load: distinct, made from the logged example, else from the signature.

They are deterministic, so that the same version is judged in the same way at every start.
"""

from __future__ import annotations

import random
from typing import Any, List, Optional

from .libraries import numpy, pandas
from .signature import Column, ModelFile, Signature

_FACTORS = (1.0, 1.0, 0.5, 1.5, -1.0, 0.0, 3.0, 10.0, 0.01)


def vary(data: Any, count: int, seed: int = 0) -> Optional[Any]:
    """*count* rows like those of *data* (a frame or an array): numbers are varied, other cells taken from its rows.

    ``None`` when *data* is something else or has no rows.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible variety, no secret
    if isinstance(data, numpy().ndarray):
        return _vary_array(data, count, chance)
    if not isinstance(data, pandas().DataFrame) or not len(data) or not data.shape[1]:
        return None
    chosen = data.iloc[[number % len(data) for number in range(count)]].reset_index(drop=True)
    return pandas().DataFrame({name: _vary_column(chosen[name], chance) for name in chosen.columns})


def _vary_column(series: Any, chance: random.Random) -> Any:
    kind = getattr(series.dtype, "kind", "O")
    size = len(series)
    if kind == "f":
        values = [_vary_number(float(value), chance) for value in series]
        return pandas().Series(numpy().array(values, dtype=series.dtype))
    if kind in "iu":
        small = max(int(series.min()), -100), min(int(series.max()) + 3, 100)
        values = [chance.randint(min(small), max(small)) for _ in range(size)]
        return pandas().Series(numpy().array(values, dtype=series.dtype))
    if kind == "b":
        return pandas().Series([chance.random() < 0.5 for _ in range(size)])
    return series.sample(size, replace=True, random_state=chance.randrange(2**31)).reset_index(drop=True)


def _vary_number(value: float, chance: random.Random) -> float:
    if value != value:
        return value
    varied = value * chance.choice(_FACTORS) + chance.gauss(0, 1) * (0.1 * abs(value) + 0.1)
    return varied if abs(varied) < 1e30 else value


def _vary_array(array: Any, count: int, chance: random.Random) -> Optional[Any]:
    if not array.ndim or not len(array) or array.dtype.kind not in "fiu":
        return None
    rows = array[[number % len(array) for number in range(count)]]
    if array.dtype.kind != "f":
        low, high = max(int(array.min()), -100), min(int(array.max()) + 3, 100)
        flat: List[Any] = [chance.randint(min(low, high), max(low, high)) for _ in range(rows.size)]
    else:
        flat = [_vary_number(float(value), chance) for value in rows.ravel()]
    return numpy().array(flat, dtype=array.dtype).reshape(rows.shape)


def from_signature(model: ModelFile, count: int) -> Optional[Any]:
    """Invented rows for a signature of numeric columns or of one tensor of floats; ``None`` for any other."""
    signature = model.signature
    if signature.is_tensor:
        return _tensor_rows(signature, count)
    dtypes = {"double": "float64", "float": "float32", "integer": "int32", "long": "int64", "boolean": "bool"}
    if not signature.columns or any(column.kind not in dtypes for column in signature.columns):
        return None
    chance = random.Random(1)  # noqa: S311 - reproducible variety, no secret
    content = {
        position if column.name is None else column.name: numpy().array(
            _invented(column, count, chance), dtype=dtypes[column.kind]
        )
        for position, column in enumerate(signature.columns)
    }
    return pandas().DataFrame(content)


def _invented(column: Column, count: int, chance: random.Random) -> List[Any]:
    if column.kind == "boolean":
        return [chance.random() < 0.5 for _ in range(count)]
    if column.kind in ("integer", "long"):
        return [chance.randint(0, 9) for _ in range(count)]
    return [chance.gauss(0, 3) for _ in range(count)]


def _tensor_rows(signature: Signature, count: int) -> Optional[Any]:
    tensor = signature.tensors[0]
    if len(signature.tensors) > 1 or tensor.name is not None or not tensor.dtype.startswith("float"):
        return None
    if not tensor.shape or tensor.shape[0] != -1 or min(tensor.shape[1:], default=1) < 1:
        return None
    chance = random.Random(1)  # noqa: S311 - reproducible variety, no secret
    size = count
    for axis in tensor.shape[1:]:
        size *= axis
    flat = [chance.gauss(0, 3) for _ in range(size)]
    return numpy().array(flat, dtype=tensor.dtype).reshape((count, *tensor.shape[1:]))
