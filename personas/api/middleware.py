"""Who asks below `/api/`, and what the answers have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers

from personas.api.interface import unauthorised
from personas.api_tokens import redeem
from personas.problems import MEDIA_TYPE, problem, problem_of
from personas.views.errors import API

Handler = Callable[[HttpRequest], HttpResponseBase]


class ApiMiddleware:
    """Nobody gets in without a token or a session, at unknown addresses too; whatever fails is a problem document.

    Stands behind AuthenticationMiddleware, whose user it replaces by the token's: so all that looks at a request's user
    holds for programs as it does for people. A token counts below `/api/` only.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(API):
            return self.get_response(request)
        return _finished(request, self._refusal(request) or self._answer(request))

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            user = redeem(token.strip(), at=timezone.now())
            if user is None:
                return unauthorised(bad=True)
            request.user = request.token_user = user  # type: ignore[attr-defined]  # requests take attributes
        elif not request.user.is_authenticated and request.path != reverse("api:openapi-view"):
            return unauthorised()  # the page itself leads to the sign-in
        return None

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        """HEAD is a GET whose answer is left out (RFC 9110, 9.3.2); Ninja's routes know GET only."""
        if request.method != "HEAD":
            return self.get_response(request)
        request.method = "GET"
        response = self.get_response(request)
        request.method = "HEAD"
        return response


def _finished(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response = _as_problem(response)
    if request.method in ("GET", "HEAD") and response.status_code == HTTPStatus.OK and not response.has_header("ETag"):
        assert isinstance(response, HttpResponse)  # pictures, which are streamed, come with tags
        response = _conditional(request, response)
    patch_vary_headers(response, ["Authorization", "Cookie"])
    if not response.has_header("Cache-Control"):
        patch_cache_control(response, private=True, no_cache=True)
    return response


def _as_problem(response: HttpResponseBase) -> HttpResponseBase:
    """What neither a route nor `personas.views.errors` has said: that a method is not known here."""
    if response.status_code < 400 or response.headers.get("Content-Type") == MEDIA_TYPE:
        return response
    status = HTTPStatus(response.status_code)
    if status is not HTTPStatus.METHOD_NOT_ALLOWED:
        return problem_of(status, "The request cannot be answered. /api/v1/docs shows what can be asked.")
    methods = sorted(response.headers["Allow"].split(", "))
    allowed = ", ".join([*methods, "HEAD"] if "GET" in methods else methods)
    return problem(status, "method", f"Use {' or '.join(methods)} here.", headers={"Allow": allowed})


def _conditional(request: HttpRequest, response: HttpResponse) -> HttpResponseBase:
    """304 where the asker has the answer already: it is tagged by its content."""
    response["ETag"] = etag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    unchanged = get_conditional_response(request, etag=etag, response=response)
    return unchanged if unchanged is not None and unchanged.status_code == HTTPStatus.NOT_MODIFIED else response
