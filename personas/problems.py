"""What went wrong with a request, for programs, as RFC 9457 has it: `application/problem+json`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from django.http import HttpResponse

from personas.errors import AmbiguousError, FaceProjectError, NotFoundError, TransientError
from personas.store.base import StoreError

MEDIA_TYPE: Final = "application/problem+json"
#: Seconds after which something transient is worth another try.
RETRY_AFTER: Final = 2
#: A problem's code where nothing more exact is known; stable, for programs.
CODES: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.UNAUTHORIZED: "no_token",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method",
    HTTPStatus.CONFLICT: "ambiguous",
    HTTPStatus.PRECONDITION_FAILED: "changed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_many_bytes",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "media_type",
    HTTPStatus.UNPROCESSABLE_ENTITY: "unable",
    HTTPStatus.INTERNAL_SERVER_ERROR: "broken",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}


class ProblemError(FaceProjectError):
    """A request that cannot be answered. code: stable, for programs; the message is for people."""

    def __init__(self, status: HTTPStatus, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> HttpResponse:
        return problem(self.status, self.code, str(self), headers=self.headers)


def problem(
    status: HTTPStatus, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> HttpResponse:
    """`type` is about:blank: the status says what kind of problem it is, `code` which one. more: further members."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "code": code, "detail": detail}
    return HttpResponse(
        orjson.dumps({**body, **more}), status=status, content_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def problem_of(status: HTTPStatus, detail: str) -> HttpResponse:
    """A problem of which no more is known than its status and what to say of it."""
    headers = {"Retry-After": str(RETRY_AFTER)} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, CODES.get(status, "failed"), detail, headers=headers)


def status_of(error: FaceProjectError) -> HTTPStatus:
    """The status that an anticipated failure is answered with, by pages and programs alike."""
    match error:
        case ProblemError():
            return error.status
        case NotFoundError():
            return HTTPStatus.NOT_FOUND
        case AmbiguousError():
            return HTTPStatus.CONFLICT
        case TransientError():
            return HTTPStatus.SERVICE_UNAVAILABLE
        case StoreError():
            return HTTPStatus.INTERNAL_SERVER_ERROR
    return HTTPStatus.UNPROCESSABLE_ENTITY
