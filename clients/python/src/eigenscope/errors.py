"""Errors: the server's sentence, with the code that a program can match."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class EigenscopeError(Exception):
    """What every error of this package is."""


class ServerUnreachable(EigenscopeError, ConnectionError):
    """Nobody answers at the address, or a server did not start."""


class JobCanceled(EigenscopeError):
    """The job was canceled; it has no result."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} was canceled")
        self.job_id = job_id


class ApiError(EigenscopeError):
    """The server refused a request, or a job of it failed.

    Attributes
    ----------
    code : str
        A word for programs: ``shape``, ``parameter``, ``not_found``, …
    message : str
        What is wrong, what was expected, what to do.
    field : str or None
        The field of the spec, or the input, that it is about.
    request_id : str
        Names the entry in the server's log.
    status : int or None
        HTTP status; ``None`` when a job failed.
    job_id : str or None
        The job that failed, if one did.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        request_id: str = "",
        status: int | None = None,
        job_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.request_id = request_id
        self.status = status
        self.job_id = job_id


class InvalidRequest(ApiError, ValueError):
    """A spec, an input or a file is not what the analysis needs."""


class NotFound(ApiError, LookupError):
    """There is no such dataset, job or route."""


class Unauthorized(ApiError):
    """The token is missing or wrong, or the host is not the server's."""


class Conflict(ApiError):
    """The job or the dataset is in a state that does not allow this."""


class Busy(ApiError):
    """Too many jobs wait; ``retry_after_secs`` says when to ask again."""

    retry_after_secs: float = 5.0


class ResultWarning(UserWarning):
    """Something that a result says about itself: fallen back to the CPU, pairs left out, …"""


_CLASSES: dict[str, type[ApiError]] = {
    **dict.fromkeys(
        ("format", "unsupported", "too_large", "shape", "row_mismatch", "non_finite", "parameter", "input", "numerical", "malformed"),
        InvalidRequest,
    ),
    "not_found": NotFound,
    "unauthorized": Unauthorized,
    "forbidden": Unauthorized,
    "conflict": Conflict,
    "busy": Busy,
}


def api_error(body: Mapping[str, Any], *, status: int | None = None, job_id: str | None = None) -> ApiError:
    """The exception for an error as the server sends it."""
    code = str(body.get("code", "internal"))
    return _CLASSES.get(code, ApiError)(
        code,
        str(body.get("message", "the server gave no reason")),
        field=body.get("field"),
        request_id=str(body.get("request_id") or ""),
        status=status,
        job_id=job_id,
    )
