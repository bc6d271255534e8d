"""What people see when something fails: what happened, and what to do next."""

from __future__ import annotations

from http import HTTPStatus

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from personas.errors import FaceProjectError
from personas.problems import problem_of, status_of

_TITLES = {
    HTTPStatus.BAD_REQUEST: "That request could not be read",
    HTTPStatus.FORBIDDEN: "You may not do that",
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.CONFLICT: "Which one?",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "That is too much",
    HTTPStatus.UNPROCESSABLE_ENTITY: "That did not work",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something broke",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not right now",
}


#: Below this address everything is answered to programs.
API = "/api/"


def say(request: HttpRequest, status: HTTPStatus, message: str) -> HttpResponse:
    """The message as a page, as a toast where htmx asked, or as a problem document where a program did."""
    if request.path.startswith(API):
        return problem_of(status, message)
    partial = bool(request.headers.get("HX-Request"))
    template = "_toast.html" if partial else "errors/error.html"
    context = {"message": message, "title": _TITLES[status], "status": int(status), "failed": True}
    return render(request, template, context, status=status)


def anticipated(request: HttpRequest, error: FaceProjectError) -> HttpResponse:
    return say(request, status_of(error), str(error))


@login_not_required
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    said = str(exception) if isinstance(exception, BadRequest) else ""
    return say(request, HTTPStatus.BAD_REQUEST, said or "Go back, reload the page and try again.")


@login_not_required
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    said = str(exception) if isinstance(exception, PermissionDenied) else ""
    return say(request, HTTPStatus.FORBIDDEN, said or "Your account has no permission for this. Ask an administrator.")


@login_not_required
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return say(request, HTTPStatus.NOT_FOUND, "The address may be mistyped, or what it showed was removed.")


@login_not_required
def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return say(
        request,
        HTTPStatus.FORBIDDEN,
        "This form was not sent from a page of yours, or you signed in again meanwhile. Reload the page and try again.",
    )


@login_not_required
def broken(request: HttpRequest) -> HttpResponse:
    """No context processors: whatever broke may break them too."""
    message = (
        "It is our fault and it was written to the log. Try again; if it stays, look at the log of the web process."
    )
    if request.path.startswith(API):
        return problem_of(HTTPStatus.INTERNAL_SERVER_ERROR, message)
    partial = bool(request.headers.get("HX-Request"))
    return HttpResponse(_render_bare("_toast.html" if partial else "errors/broken.html", message), status=500)


def _render_bare(template: str, message: str) -> str:
    from django.template.loader import render_to_string

    return render_to_string(template, {"message": message, "failed": True})
