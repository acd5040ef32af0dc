"""The signature compiled at load: requests of the common forms are read in microseconds instead of hundreds.

:class:`Reader` knows the exact forms in which nearly every request comes. It never refuses: whatever is unusual in any
way is ``None``, and the general path (:class:`scorer.Scorer`) reads the request from the start. So that path decides
every refusal, warning and conversion, and what is accepted here is what it would have made of the same bytes.
"""

from __future__ import annotations

from itertools import chain
from operator import itemgetter
from typing import Any, Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple

from . import body, dialects
from .cells import CHECKS, doubles
from .columns import Cells, convert
from .libraries import numpy, pandas
from .refusal import Refusal
from .signature import ModelFile

_TYPES = frozenset({"", "application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
_DEEPEST = 4
_ORDERS = 64
_SPLIT_KEYS = frozenset({"columns", "data", "index"})
_INTS = frozenset({int})

Row = Sequence[Any]
Order = Callable[[Row], Row]


class Block:
    """Checked rows in the signature's order. ``labels`` are the caller's index labels, ``dialect`` what was recognised.

    ``bare`` tells whether the answer is the predictions themselves.
    """

    __slots__ = ("bare", "dialect", "labels", "rows")

    def __init__(self, rows: List[Row], dialect: str, labels: Optional[List[int]] = None) -> None:
        self.rows = rows
        self.dialect = dialect
        self.labels = labels
        self.bare = False


def compile_reader(model: ModelFile, depth: int) -> Optional[Reader]:
    """A reader for signatures of scalar columns, or of one unnamed tensor of doubles; ``None`` for any other."""
    signature = model.signature
    if model.from_type_hint or depth < _DEEPEST:
        return None
    if signature.is_tensor:
        tensor = signature.tensors[0]
        plain = len(signature.tensors) == 1 and tensor.name is None and tensor.dtype == "float64"
        if plain and len(tensor.shape) == 2 and tensor.shape[0] == -1 and tensor.shape[1] > 0:
            return Reader(model, ["double"] * tensor.shape[1])
        return None
    kinds = [column.kind for column in signature.columns]
    names = [column.name for column in signature.columns]
    if not kinds or any(kind not in CHECKS for kind in kinds):
        return None
    if len(set(names)) != len(names) and signature.has_names:
        return None
    if any((name is None) is signature.has_names for name in names):
        return None
    return Reader(model, kinds)


class Reader:
    """Reads bodies for one signature; see :func:`compile_reader`."""

    def __init__(self, model: ModelFile, kinds: List[str]) -> None:
        signature = model.signature
        self._signature = signature
        self.is_tensor = signature.is_tensor
        self.kinds = kinds
        self._width = len(kinds)
        self._is_uniform = set(kinds) == {"double"}
        self._checks = [CHECKS[kind] for kind in kinds]
        self._names: List[Any] = [column.name for column in signature.columns] if signature.has_names else []
        self._known: FrozenSet[Any] = frozenset(self._names)
        self._orders: Dict[Tuple[Any, ...], Optional[Order]] = {}
        self._record: Optional[Callable[[Dict[Any, Any]], Row]] = _picker(self._names) if self._names else None
        self._bare = frozenset(dialects.BARE | dialects.BARE_FOR_FIRST if model.is_first_generation else dialects.BARE)

    def read(self, raw: bytes, content_type: str) -> Optional[Block]:
        """The rows of a body; ``None`` when the general path has to look at it."""
        if content_type not in _TYPES or raw[:1] not in (b"{", b"[") or b"\0" in raw[:4]:
            return None
        try:
            text = raw.decode("utf-8")
            body.check_digits(text)
            document = body.DECODER.decode(text)
            block = self._recognise(document)
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError, body.Duplicate, Refusal):
            return None
        if block is None or not block.rows or not self._fits(block.rows):
            return None
        block.bare = block.dialect in self._bare
        return block

    def _recognise(self, document: Any) -> Optional[Block]:
        if type(document) is list:
            return self._of_records(document, dialects.RECORDS_1)
        if len(document) != 1:
            if document.keys() <= _SPLIT_KEYS and "columns" in document and "data" in document:
                return self._of_split(document, dialects.SPLIT_1)
            return None
        ((key, payload),) = document.items()
        if key == dialects.SPLIT:
            return self._of_split(payload, key)
        if key == dialects.RECORDS:
            return self._of_records(payload, key)
        if key in (dialects.INPUTS, dialects.INSTANCES):
            return self._of_tensor(payload, key, key)
        if key == "input_data":
            if type(payload) is dict and "data" in payload and payload.keys() <= _SPLIT_KEYS:
                return self._of_split(payload, dialects.AZURE_SPLIT)
            return self._of_tensor(payload, dialects.AZURE_TENSOR, dialects.AZURE_NAMED)
        return None

    def _of_split(self, split: Any, dialect: str) -> Optional[Block]:
        if type(split) is not dict or self.is_tensor or not split.keys() <= _SPLIT_KEYS:
            return None
        rows, names, labels = split["data"], split.get("columns"), split.get("index")
        if not self._are_rows(rows):
            return None
        if names is not None:
            key = tuple(names) if type(names) is list else ()
            order = self._orders[key] if key in self._orders else self._learn(key)
            if order is None:
                return None
            if order is not _as_it_is:
                rows = [order(row) for row in rows]
        elif "columns" in split:
            return None
        if labels is not None and not (
            type(labels) is list and len(labels) == len(rows) and set(map(type, labels)) == _INTS
        ):
            return None
        return Block(rows, dialect, labels)

    def _learn(self, names: Tuple[Any, ...]) -> Optional[Order]:
        """How rows in the order of *names* come into the signature's; ``None`` when they are not its columns."""
        order: Optional[Order] = None
        if names and all(type(name) is str for name in names):
            if list(names) == self._names:
                order = _as_it_is
            elif len(names) == self._width and self._known == set(names):
                order = _picker([names.index(name) for name in self._names])
            if len(self._orders) < _ORDERS:
                self._orders[names] = order
        return order

    def _of_records(self, records: Any, dialect: str) -> Optional[Block]:
        if self._record is None or type(records) is not list or set(map(type, records)) != {dict}:
            return None
        if set(map(len, records)) != {self._width}:
            return None
        return Block([self._record(record) for record in records], dialect)

    def _of_tensor(self, payload: Any, plain: str, named: str) -> Optional[Block]:
        if type(payload) is dict:
            return self._of_columns(payload, named)
        if type(payload) is list and payload and type(payload[0]) is dict:
            return self._of_records(payload, plain)
        return Block(payload, plain) if self._are_rows(payload) else None

    def _of_columns(self, payload: Dict[Any, Any], dialect: str) -> Optional[Block]:
        if self._record is None or len(payload) != self._width:
            return None
        columns = self._record(payload)
        if set(map(type, columns)) != {list} or len(set(map(len, columns))) != 1:
            return None
        return Block(list(zip(*columns)), dialect)

    def _are_rows(self, rows: Any) -> bool:
        if type(rows) is not list:
            return False
        if len(rows) == 1:
            return type(rows[0]) is list and len(rows[0]) == self._width
        return set(map(type, rows)) == {list} and set(map(len, rows)) == {self._width}

    def _fits(self, rows: List[Row]) -> bool:
        if self._is_uniform:
            return doubles(rows[0] if len(rows) == 1 else list(chain.from_iterable(rows)))
        return all(check(values) for check, values in zip(self._checks, zip(*rows)))

    def matrix(self, rows: List[Row]) -> Any:
        """The rows as an array of doubles (nulls are NaN), in the order of memory that a frame hands on."""
        return numpy().array(rows, dtype=numpy().float64, order="F")

    def data(self, rows: List[Row], labels: Optional[List[int]] = None) -> Any:
        """What ``PyFuncModel.predict`` gets for these rows: exactly what the general path makes of the request."""
        if self.is_tensor:
            return numpy().array(rows, dtype=numpy().float64)
        index = pandas().RangeIndex(len(rows)) if labels is None else labels
        if self._is_uniform and self._names:
            return pandas().DataFrame(self.matrix(rows), columns=self._names, index=index)
        content: Dict[Any, Any] = {}
        for position, (column, values) in enumerate(zip(self._signature.columns, zip(*rows))):
            made = convert(Cells(column, values))
            if labels is not None:
                made = pandas().Series(getattr(made, "array", made), index=labels)
            content[position if column.name is None else column.name] = made
        return pandas().DataFrame(content, index=index)


def _as_it_is(row: Row) -> Row:
    return row


def _picker(keys: Sequence[Any]) -> Callable[[Any], Row]:
    """The values of *keys* as a tuple, also for one key."""
    if len(keys) > 1:
        return itemgetter(*keys)
    only = keys[0]
    return lambda row: (row[only],)
