"""One error tree and one error shape for every process of ours (floor 0: imports nothing of ours).

The tree::

    ModelServeError                       500 INTERNAL_ERROR
    ├── BadRequest                        400 BAD_REQUEST
    │   └── InvalidParameter              400 INVALID_PARAMETER_VALUE
    ├── Unauthenticated                   401 UNAUTHENTICATED
    ├── PermissionDenied                  403 PERMISSION_DENIED
    ├── NotFound                          404 RESOURCE_DOES_NOT_EXIST
    ├── MethodNotAllowed                  405 METHOD_NOT_ALLOWED
    ├── Conflict                          409 RESOURCE_CONFLICT
    │   ├── AlreadyExists                 409 RESOURCE_ALREADY_EXISTS
    │   └── PreconditionFailed            412 PRECONDITION_FAILED
    ├── PayloadTooLarge                   413 PAYLOAD_TOO_LARGE
    ├── UnsupportedMediaType              415 UNSUPPORTED_MEDIA_TYPE
    ├── TooManyRequests                   429 RESOURCE_EXHAUSTED      (carries Retry-After)
    ├── BadGateway                        502 REPLICA_LOST
    ├── Unavailable                       503 TEMPORARILY_UNAVAILABLE (carries Retry-After)
    │   └── NotRunning                    503 INSTANCE_NOT_RUNNING
    └── DeadlineExceeded                  504 DEADLINE_EXCEEDED

``error_code`` follows the codes that databricks-sdk and MLflow clients turn into exceptions, so that an unmodified
client raises the right class. A message is written for the person who reads it: it names the field, the row or the
missing right and says what to do next. It never holds a traceback, a secret or the caller's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class ModelServeError(Exception):
    """Base of every error that may reach a caller.

    Args:
        message: one or two sentences for the caller.
        details: machine-readable additions (JSON values only).
        retry_after_s: seconds after which the same request may succeed; sent as ``Retry-After``.
    """

    status: ClassVar[int] = 500
    error_code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(
        self, message: str, *, details: Mapping[str, Any] | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after_s = retry_after_s

    def body(self, request_id: str) -> dict[str, Any]:
        """The one error shape of every face: ``{"error_code", "message", "details", "request_id"}``."""
        return {
            "error_code": self.error_code,
            "message": self.message,
            "details": self.details,
            "request_id": request_id,
        }


class BadRequest(ModelServeError):
    """The request cannot be understood: bad JSON, an unknown payload shape."""

    status = 400
    error_code = "BAD_REQUEST"


class InvalidParameter(BadRequest):
    """A named field, row or column holds a value that is not allowed."""

    error_code = "INVALID_PARAMETER_VALUE"


class Unauthenticated(ModelServeError):
    """No token, or one that is unknown, expired or revoked."""

    status = 401
    error_code = "UNAUTHENTICATED"


class PermissionDenied(ModelServeError):
    """The principal lacks a right; the message names right and object."""

    status = 403
    error_code = "PERMISSION_DENIED"


class NotFound(ModelServeError):
    """The named thing does not exist (or this address belongs to nothing)."""

    status = 404
    error_code = "RESOURCE_DOES_NOT_EXIST"


class MethodNotAllowed(ModelServeError):
    """The address exists, but not for this HTTP method."""

    status = 405
    error_code = "METHOD_NOT_ALLOWED"


class Conflict(ModelServeError):
    """The state of the object forbids the change (already exists, being updated)."""

    status = 409
    error_code = "RESOURCE_CONFLICT"


class AlreadyExists(Conflict):
    """Something of that name is there already."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class PreconditionFailed(Conflict):
    """Somebody else changed the object since the caller looked at it; look again, then change it."""

    status = 412
    error_code = "PRECONDITION_FAILED"


class PayloadTooLarge(ModelServeError):
    """The body exceeds the limit (16 MiB for scoring, REQ-014)."""

    status = 413
    error_code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(ModelServeError):
    """The content type is none of JSON, CSV, parquet, or its charset is unknown."""

    status = 415
    error_code = "UNSUPPORTED_MEDIA_TYPE"


class TooManyRequests(ModelServeError):
    """The caller exceeds the bounded queue of an endpoint."""

    status = 429
    error_code = "RESOURCE_EXHAUSTED"


class BadGateway(ModelServeError):
    """The process that was answering died before it answered."""

    status = 502
    error_code = "REPLICA_LOST"


class Unavailable(ModelServeError):
    """Nothing is ready to answer yet: starting, waking or failed."""

    status = 503
    error_code = "TEMPORARILY_UNAVAILABLE"


class NotRunning(Unavailable):
    """No instance runs here; ``jupyter modelserve up`` or ``%load_ext jupyter_modelserve`` starts one."""

    error_code = "INSTANCE_NOT_RUNNING"


class DeadlineExceeded(ModelServeError):
    """The model did not answer within the time limit (120 s by default, REQ-130)."""

    status = 504
    error_code = "DEADLINE_EXCEEDED"


def _tree(cls: type[ModelServeError]) -> dict[str, type[ModelServeError]]:
    """The class of each code. The first one that has it: a process may add subclasses that only change the status."""
    found = {cls.error_code: cls}
    for child in cls.__subclasses__():
        found = _tree(child) | found
    return found


def from_body(status: int, body: Mapping[str, Any]) -> ModelServeError:
    """Rebuild the exception that a server of ours (or MLflow) sent, for clients.

    ``error_code`` decides; an unknown code falls back to the class of the HTTP status. ``request_id`` is kept in
    ``details`` so that a user can quote it.
    """
    by_code = _tree(ModelServeError)
    by_status: dict[int, type[ModelServeError]] = {}
    for known in by_code.values():
        by_status.setdefault(known.status, known)
    cls = by_code.get(str(body.get("error_code"))) or by_status.get(status, ModelServeError)
    raw = body.get("details")
    details = dict(raw) if isinstance(raw, Mapping) else {}
    if body.get("request_id"):
        details["request_id"] = body["request_id"]
    error = cls(str(body.get("message") or f"HTTP {status}"), details=details)
    error.__dict__["status"] = status
    return error
