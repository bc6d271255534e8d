"""What went wrong with a request, as RFC 9457 has it: `application/problem+json`."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from django.http import HttpResponse

from personas.errors import FaceProjectError


class ProblemError(FaceProjectError):
    """A request that cannot be answered. code: stable, for programs; the message is for people."""

    def __init__(self, status: HTTPStatus, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> HttpResponse:
        return problem(self.status, self.code, str(self), headers=self.headers)


def problem(status: HTTPStatus, code: str, detail: str, *, headers: dict[str, str] | None = None) -> HttpResponse:
    """`type` is left out, which means about:blank: the status says what kind of problem it is."""
    body = {"title": status.phrase, "status": status.value, "code": code, "detail": detail}
    return HttpResponse(
        orjson.dumps(body), status=status, content_type="application/problem+json", headers=headers or {}
    )


def answer(content: object, *, status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    """JSON. Answers speak of persons, so nobody on the way keeps them."""
    return HttpResponse(
        orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
