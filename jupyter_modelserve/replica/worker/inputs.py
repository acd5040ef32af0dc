"""From a recognised payload to what ``PyFuncModel.predict`` is called with.

Frames and tensors cross over: a tensor body feeds a model with columns by position, a frame feeds a model with tensors
column by column. Without a signature the data has the form in which MLflow's own server would pass it on.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Optional

from . import dialects, tables, tensors
from .dialects import Recognised
from .frames import to_frame, unknown_names
from .libraries import numpy
from .refusal import INVALID, Refusal, show, show_all
from .signature import ModelFile, Signature
from .tables import Table

_HINTED = (dialects.INPUTS, dialects.INSTANCES, dialects.RECORDS, dialects.RECORDS_1, dialects.AZURE_TENSOR)


class Prepared:
    """``data`` for predict; ``empty`` when the request has no rows, so that the answer is an empty list."""

    __slots__ = ("data", "empty", "warnings")

    def __init__(self, data: Any, empty: bool = False, warnings: Optional[List[str]] = None) -> None:
        self.data = data
        self.empty = empty
        self.warnings = warnings or []


def prepare(found: Recognised, model: ModelFile, unknown_columns: str) -> Prepared:
    """Convert and check a payload.

    Raises:
        Refusal: it does not fit the signature.
    """
    if found.name == dialects.LLM:
        return Prepared(found.payload)
    if model.from_type_hint:
        return _hinted(found)
    table = _as_table(found, model.signature.names)
    if table is None:
        return _Tensors(found, model.signature, unknown_columns).prepare()
    return from_table(table, model.signature, unknown_columns)


def _hinted(found: Recognised) -> Prepared:
    if found.name not in _HINTED:
        message = "this model checks its input by type hints and needs the plain list: send it under the key inputs"
        raise Refusal(message, INVALID)
    return Prepared(found.payload, empty=found.payload == [])


def _as_table(found: Recognised, known: Optional[FrozenSet[Any]]) -> Optional[Table]:
    if isinstance(found.payload, Table):
        return found.payload
    if found.name in (dialects.RECORDS, dialects.RECORDS_1):
        field = "the body" if found.name == dialects.RECORDS_1 else found.name
        return tables.from_records(found.payload, field, known)
    if found.name in (dialects.SPLIT, dialects.SPLIT_1, dialects.AZURE_SPLIT):
        names = {dialects.SPLIT_1: "the body", dialects.AZURE_SPLIT: "input_data"}
        return tables.from_split(found.payload, names.get(found.name, found.name))
    return None


def from_table(table: Table, signature: Signature, unknown_columns: str) -> Prepared:
    """A table for a model with columns, with tensors or without a signature."""
    if table.rows == 0 and not table.names:
        return Prepared(None, empty=True)
    if signature.is_tensor:
        if table.rows == 0:
            return Prepared(None, empty=True)
        return _tensors_of_table(table, signature, unknown_columns)
    frame, warnings = to_frame(table, signature, unknown_columns)
    return Prepared(frame, empty=table.rows == 0, warnings=warnings)


def _tensors_of_table(table: Table, signature: Signature, unknown_columns: str) -> Prepared:
    if not signature.has_names:
        tensor = signature.tensors[0]
        values = table.columns[0] if len(table.columns) == 1 else [list(row) for row in zip(*table.columns)]
        return Prepared(tensors.from_cells(list(values), tensor))
    if table.names is None:
        if len(table.columns) != len(signature.tensors):
            message = "each row has %d values, but the model has %d named inputs"
            raise Refusal(message % (len(table.columns), len(signature.tensors)), INVALID)
        given = {str(each.name): column for each, column in zip(signature.tensors, table.columns)}
    else:
        given = dict(zip([str(name) for name in table.names], table.columns))
    warnings = _check_names(given, signature, unknown_columns)
    data = {each.name: tensors.from_cells(list(given[str(each.name)]), each) for each in signature.tensors}
    return Prepared(data, warnings=warnings)


def _check_names(given: Dict[str, Any], signature: Signature, unknown_columns: str) -> List[str]:
    names = [str(each.name) for each in signature.tensors]
    missing = [name for name in names if name not in given]
    if missing:
        message = "missing inputs: %s; the model's inputs are %s"
        raise Refusal(message % (show_all(missing), show_all(names)), INVALID, details={"missing": missing})
    return unknown_names([name for name in given if name not in names], unknown_columns)


class _Tensors:
    """The dialects whose payload is a tensor, named tensors, or a list of them (REQ-032, 152, 153, 175, 176)."""

    def __init__(self, found: Recognised, signature: Signature, unknown_columns: str) -> None:
        self._payload = found.payload
        self._field = "input_data" if found.name.startswith("azure") else found.name
        self._by_row = found.name == dialects.INSTANCES
        self._signature = signature
        self._policy = unknown_columns

    def prepare(self) -> Prepared:
        payload = self._payload
        if payload == []:
            return Prepared(None, empty=True)
        if isinstance(payload, list) and all(isinstance(item, dict) for item in payload):
            return self._records(payload)
        if isinstance(payload, dict):
            return self._named(payload)
        if isinstance(payload, list) and any(isinstance(item, dict) for item in payload):
            raise Refusal("%s mixes objects with other values; send one or the other" % self._field)
        if payload is None:
            raise Refusal("%s is null; send a list or an object" % self._field)
        return self._plain(payload)

    def _records(self, records: List[Dict[str, Any]]) -> Prepared:
        signature = self._signature
        if signature.columns:
            return from_table(tables.from_records(records, self._field, signature.names), signature, self._policy)
        if not signature.has_inputs and not self._by_row:
            return Prepared([{name: _natural(value, name) for name, value in record.items()} for record in records])
        return self._named(self._stack(records))

    def _stack(self, records: List[Dict[str, Any]]) -> Dict[str, List[Any]]:
        names = list(records[0])
        for row, record in enumerate(records):
            if set(record) != set(names):
                other = sorted(set(record) ^ set(names))
                message = "%s: row %d differs from row 0 in %s; every row needs the same names"
                raise Refusal(message % (self._field, row, show_all(other)), INVALID, details={"row": row})
        return {name: [record[name] for record in records] for name in names}

    def _named(self, payload: Dict[str, Any]) -> Prepared:
        signature = self._signature
        if self._by_row:
            self._check_lengths(payload)
        if signature.columns:
            if signature.has_nested:
                table = Table(list(payload), [[value] for value in payload.values()], 1)
            else:
                table = tables.from_columns(payload, self._field)
            return from_table(table, signature, self._policy)
        if not signature.has_inputs:
            return Prepared({name: _natural(value, name) for name, value in payload.items()})
        if not signature.has_names:
            message = 'the model takes one unnamed tensor; send {"inputs": [[…]]} instead of the names %s'
            raise Refusal(message % show_all(list(payload)), INVALID)
        warnings = _check_names(payload, signature, self._policy)
        given = [payload[str(each.name)] for each in signature.tensors]
        if all(values == [] for values in given):
            return Prepared(None, empty=True, warnings=warnings)
        data = {each.name: tensors.build(values, each) for each, values in zip(signature.tensors, given)}
        return Prepared(data, warnings=warnings)

    def _check_lengths(self, payload: Dict[str, Any]) -> None:
        lengths = {name: len(values) for name, values in payload.items() if isinstance(values, list)}
        if len(set(lengths.values())) > 1:
            listing = ", ".join("%s %d" % (show(name), length) for name, length in list(lengths.items())[:10])
            message = "instances needs the same number of rows for every name (%s); inputs allows different ones"
            raise Refusal(message % listing, INVALID)

    def _plain(self, payload: Any) -> Prepared:
        signature = self._signature
        if signature.columns:
            return from_table(self._positional(payload), signature, self._policy)
        if not signature.has_inputs:
            return Prepared(_natural(payload, self._field))
        if len(signature.tensors) > 1:
            names = show_all([each.name for each in signature.tensors])
            raise Refusal('the model takes the named inputs %s; send {"inputs": {name: …}}' % names, INVALID)
        tensor = signature.tensors[0]
        array = tensors.build(payload, tensor)
        return Prepared(array if tensor.name is None else {tensor.name: array})

    def _positional(self, payload: Any) -> Table:
        if not isinstance(payload, list):
            payload = [payload]
        single = len(self._signature.columns) == 1
        is_array = single and self._signature.columns[0].kind in ("array", "any")
        if is_array or not any(isinstance(item, list) for item in payload):
            return Table(None, [payload], len(payload))
        return tables.from_rows(payload, self._field)


def _natural(values: Any, name: str) -> Any:
    """The array that numpy makes of it by itself."""
    try:
        return numpy().array(values)
    except (ValueError, OverflowError):
        raise Refusal("%s: its lists differ in length, so that it is no tensor" % show(name), INVALID) from None
