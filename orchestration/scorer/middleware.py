"""The scorer's only middleware: every failure is a problem document, and nobody gets in without a token."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from orchestration.scorer.problems import ProblemError, problem
from orchestration.scorer.process import current_scorer
from orchestration.scorer.tokens import is_known
from personas.errors import FaceProjectError

logger = logging.getLogger(__name__)

#: Asked by whatever keeps the process running; they say nothing about persons.
OPEN = ("/healthz", "/readyz")
#: For a front door that keeps `Authorization` to itself, as an Azure ML endpoint may.
OWN_HEADER = "X-Scorer-Token"
Handler = Callable[[HttpRequest], HttpResponse]


class ProblemMiddleware:
    """What a view raises becomes a problem document; every answer says how long it is."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["Content-Length"] = str(len(response.content))
        if request.method == "HEAD":
            response.content = b""
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse:
        if isinstance(exception, ProblemError):
            return exception.response()
        if isinstance(exception, FaceProjectError):
            logger.warning("not answered", extra={"kind": type(exception).__name__, "path": request.path})
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", str(exception))
        logger.error("broken", exc_info=exception, extra={"path": request.path})
        return problem(
            HTTPStatus.INTERNAL_SERVER_ERROR, "broken", "The scorer failed in a way nobody foresaw; its log says how."
        )


class TokenMiddleware:
    """Everything but the probes asks for a token, unknown addresses too."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in OPEN or is_known(_token(request), current_scorer().tokens):
            return self.get_response(request)
        return problem(
            HTTPStatus.UNAUTHORIZED,
            "no_token",
            "Send the scorer's token: `Authorization: Bearer TOKEN`.",
            headers={"WWW-Authenticate": 'Bearer realm="scorer"'},
        )


def _token(request: HttpRequest) -> str:
    own = request.headers.get(OWN_HEADER)
    if own:
        return own.strip()
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
