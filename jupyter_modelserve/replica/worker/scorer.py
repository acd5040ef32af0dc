"""One request from body to answer: recognise, check, predict, encode. No HTTP and no threads, so that the probe before
READY, the tests and real requests run exactly the same lines.
"""

from __future__ import annotations

import re
import sys
import traceback
from typing import Any, Callable, Dict, List, Union

from ..wire import Response, error_response
from . import dialects, media
from .body import decode, read_json
from .dialects import Recognised, recognise
from .encode import CannotEncode, encode
from .files import from_csv, from_parquet
from .inputs import Prepared, prepare
from .params import check_params
from .refusal import BAD_REQUEST, INVALID, Refusal, show_all
from .signature import ModelFile

_HEADER_UNSAFE = re.compile(r"[^ !#-\[\]-~]")
_WARNING_LIMIT = 400


class Reading:
    """A request that was read: what the model gets, the params, and how the answer is dressed."""

    __slots__ = ("bare", "headers", "params", "prepared")

    def __init__(self, prepared: Prepared, params: Dict[str, Any], headers: Dict[str, str], bare: bool) -> None:
        self.prepared = prepared
        self.params = params
        self.headers = headers
        self.bare = bare


class Scorer:
    """Scores with one loaded model.

    Args:
        model: a ``mlflow.pyfunc.PyFuncModel`` (or anything with its ``predict``).
        model_file: what its MLmodel file says.
        unknown_columns: ``warn``, ``refuse`` or ``ignore``.
        json_depth: deepest nesting of a JSON body.
    """

    def __init__(self, model: Any, model_file: ModelFile, unknown_columns: str = "warn", json_depth: int = 64) -> None:
        self._model = model
        self._file = model_file
        self._unknown_columns = unknown_columns
        self._depth = json_depth

    def score(self, body: bytes, content_type: str, request_id: str) -> Response:
        """The answer to a request; never raises (only the process's end does)."""
        reading = self.read(body, content_type, request_id)
        return reading if isinstance(reading, Response) else self.answer(reading, request_id)

    def read(self, body: bytes, content_type: str, request_id: str) -> Union[Reading, Response]:
        """The request as the model gets it, or why it is refused; never raises."""
        headers: Dict[str, str] = {}

        def note(dialect: str) -> None:
            headers["x-modelserve-format"] = dialect

        try:
            found = self._read(body, content_type, note)
            params = check_params(found.params, self._file.signature)
            prepared = prepare(found, self._file, self._unknown_columns)
            warnings = found.warnings + prepared.warnings
            if warnings:
                headers["warning"] = ", ".join('199 - "%s"' % _header_text(text) for text in warnings)
            return Reading(prepared, params, headers, self._is_bare(found.name))
        except Exception as error:  # noqa: BLE001 - a body that trips pandas or numpy is still only a bad body
            return _refused(error, request_id, headers)

    def answer(self, reading: Reading, request_id: str) -> Response:
        """Predict for one request alone and encode the answer; never raises."""
        try:
            empty = reading.prepared.empty
            predictions = [] if empty else self._predict(reading.prepared, reading.params, request_id)
            return Response(200, _encoded(predictions, reading.bare), headers=reading.headers)
        except Exception as error:  # noqa: BLE001 - whatever a model's answer brings with it
            return _refused(error, request_id, reading.headers)

    def predict(self, data: Any, params: Dict[str, Any]) -> Any:
        """The model's own answer to prepared data.

        Raises:
            BaseException: whatever the model raises.
        """
        if params:
            return self._model.predict(data, params=params)
        # MLflow 1.x knows no params argument at all.
        return self._model.predict(data)

    def _read(self, body: bytes, content_type: str, note: Callable[[str], None]) -> Recognised:
        kind = media.read_media(content_type, body)
        if not body.strip():
            raise Refusal("the body is empty; send a JSON document, CSV or parquet")
        if kind.kind == media.PARQUET:
            note(dialects.PARQUET)
            return Recognised(dialects.PARQUET, from_parquet(body))
        text = decode(body, kind.charset, kind.kind == media.JSON)
        if kind.kind == media.CSV:
            note(dialects.CSV)
            return Recognised(dialects.CSV, from_csv(text, self._file.signature))
        document, warnings = read_json(text, self._depth)
        found = recognise(document, kind.dialect, note)
        found.warnings = warnings + found.warnings
        if found.name == dialects.LLM:
            declared = {str(each.get("name")) for each in self._file.signature.params}
            found.params = {key: value for key, value in found.payload.items() if key in declared}
            found.payload = {key: value for key, value in found.payload.items() if key not in declared}
        return found

    def _is_bare(self, dialect: str) -> bool:
        return dialect in dialects.BARE or (self._file.is_first_generation and dialect in dialects.BARE_FOR_FIRST)

    def _predict(self, prepared: Prepared, params: Dict[str, Any], request_id: str) -> Any:
        try:
            return self.predict(prepared.data, params)
        except MemoryError:
            raise
        except BaseException as error:  # noqa: BLE001 - a model may even call sys.exit; only its request fails
            _log(request_id)
            raise self._model_failure(error, _null_columns(prepared.data)) from None

    def _model_failure(self, error: BaseException, nulls: List[str]) -> Refusal:
        name = type(error).__name__
        text = str(getattr(error, "message", ""))
        if name == "MlflowException" and ("enforce" in text or "Invalid parameters" in text):
            nested = [
                column.name for column in self._file.signature.columns if column.kind in ("array", "object", "map")
            ]
            hint = "; look at the values of " + show_all(nested) if nested else ""
            message = "the request does not fit the model's signature%s" % hint
            return Refusal(message, INVALID, details={"exception": name})
        hint = ""
        if nulls:
            hint = "; it may not accept missing values: the request has nulls in %s" % show_all(nulls)
        details = {"exception": name, "null_columns": nulls}
        if isinstance(error, ModuleNotFoundError) and error.name:
            details["module"] = error.name
            hint = "; the module %s is not installed in the model's environment" % error.name
        return Refusal("the model could not score this request (%s)%s" % (name, hint), details=details)


def _refused(error: Exception, request_id: str, headers: Dict[str, str]) -> Response:
    """What a caller reads when *error* was raised while the request was read or scored."""
    if isinstance(error, Refusal):
        return error_response(error.status, error.code, error.message, request_id, error.details, headers)
    if isinstance(error, CannotEncode):
        message = "the model's answer holds %s, which has no JSON form; let predict return a frame, array or list"
        return error_response(500, "INTERNAL_ERROR", message % error, request_id, headers=headers)
    if isinstance(error, MemoryError):
        message = "the worker has not enough memory for this request; send fewer rows"
        retry = {**headers, "retry-after": "1"}
        return error_response(503, "TEMPORARILY_UNAVAILABLE", message, request_id, headers=retry)
    _log(request_id)
    message = "the request could not be turned into the model's input (%s)" % type(error).__name__
    return error_response(400, BAD_REQUEST, message, request_id, headers=headers)


def _encoded(predictions: Any, bare: bool) -> bytes:
    """The answer as JSON; whatever goes wrong here is the model's answer's fault, not the caller's."""
    try:
        return encode(predictions, bare)
    except (CannotEncode, MemoryError):
        raise
    except Exception as error:
        raise CannotEncode("a %s" % type(predictions).__name__) from error


def _null_columns(data: Any) -> List[str]:
    if hasattr(data, "isnull") and hasattr(data, "columns"):
        nulls = data.isnull().any()
        return [str(name) for name in data.columns[nulls.to_numpy(dtype=bool)]]
    return []


def _header_text(text: str) -> str:
    # Column names come from the caller: nothing of them may end the header or the quoted text.
    safe = _HEADER_UNSAFE.sub("?", text)
    return safe if len(safe) <= _WARNING_LIMIT else safe[: _WARNING_LIMIT - 3] + "..."


def _log(request_id: str) -> None:
    """The traceback goes to the version's log, under the request's id, and nowhere else."""
    text = traceback.format_exc()
    sys.stderr.write("request %s failed\n%s" % (ascii(request_id)[1:-1], text))
    sys.stderr.flush()
