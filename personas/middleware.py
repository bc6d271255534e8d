"""HTTP middleware of the product."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from django.conf import settings
from django.core.signals import request_finished
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat

from personas import log_context
from personas.errors import FaceProjectError
from personas.permissions import Permission
from personas.views.errors import anticipated, say

logger = logging.getLogger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


REQUEST_ID = "X-Request-ID"
#: What an anonymous form may hold, in bytes: a name and a password.
MAX_ANONYMOUS_BODY = 64 * 2**10
_TOO_LARGE_A_PICTURE = "That picture is larger than MAX_IMAGE_BYTES allows. Save a smaller copy, and try that."
View = TypeVar("View", bound=Callable[..., Any])


def takes_bodies(permission: Permission, *, one_picture: bool = False) -> Callable[[View], View]:
    """Marks a view that takes up to MAX_UPLOAD_BYTES from users with the permission. Outermost decorator.

    one_picture: up to MAX_IMAGE_BYTES instead, and what little a form has beside it.
    """

    def mark(view: View) -> View:
        view.takes_bodies = permission  # type: ignore[attr-defined]  # functions take attributes
        view.takes_one_picture = one_picture  # type: ignore[attr-defined]
        return view

    return mark


def _too_large() -> str:
    return (
        f"That is more than {filesizeformat(settings.MAX_UPLOAD_BYTES)} at once. Send fewer files, or have an "
        "administrator take in the folder with `manage.py ingest`."
    )


class BodySizeMiddleware:
    """Refuses a body that is too large for its address and sender before a byte of it is read.

    Stands before CsrfViewMiddleware, which parses the form, and so spools its files to disk, before anything else could
    ask who sent it. A body without a Content-Length is not read by Django at all.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        text = request.META.get("CONTENT_LENGTH") or ""
        length = int(text) if text.isdecimal() else 0  # Django reads nothing of any other
        if length <= MAX_ANONYMOUS_BODY:
            return None
        permission: Permission | None = getattr(view, "takes_bodies", None)
        if not request.user.is_authenticated:
            message = "Sign in before you send something. Nothing of it was kept."
        elif permission is not None and permission(request.user):
            one_picture = getattr(view, "takes_one_picture", False)
            most = settings.MAX_IMAGE_BYTES + MAX_ANONYMOUS_BODY if one_picture else settings.MAX_UPLOAD_BYTES
            if length <= most:
                return None
            message = _TOO_LARGE_A_PICTURE if one_picture else _too_large()
        elif length <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return None
        else:
            message = "That form is larger than this page takes. Nothing of it was kept."
        logger.info("body refused", extra={"path": request.path, "bytes": length})
        return say(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)


class RequestIdMiddleware:
    """Gives each request an id: the proxy's X-Request-ID if it is sane, or a new one. Records and the answer have it.

    Records carry it until the answer is sent: Django logs refusals after the last middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        request_finished.connect(_leave_request)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = log_context.request_id(request.headers.get(REQUEST_ID))
        log_context.enter(request_id=request_id)
        response = self.get_response(request)
        response[REQUEST_ID] = request_id
        return response


def _leave_request(**kwargs: Any) -> None:
    log_context.leave()


class ContentSecurityPolicyMiddleware:
    """Nothing is loaded from elsewhere, and no inline script or style runs (https://www.w3.org/TR/CSP3/)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", POLICY)
        return response


class AnticipatedErrorsMiddleware:
    """A FaceProjectError that leaves a view becomes a page, or a toast, with its message."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, FaceProjectError):
            return None
        logger.info("anticipated failure", extra={"kind": type(exception).__name__, "path": request.path})
        return anticipated(request, exception)
