"""What views share: the request's type, keyset paging, and answers that work with and without JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.middleware import HtmxDetails

from personas.errors import NotFoundError

MAX_PAGE = 600
#: Python refuses to read numbers of thousands of digits, and stores count in 64 bits.
MAX_DIGITS = 18
MAX_CURSOR = 512


class PageRequest(HttpRequest):
    """A request that passed LoginRequiredMiddleware and HtmxMiddleware."""

    htmx: HtmxDetails
    user: User


def wants_partial(request: PageRequest) -> bool:
    """htmx asks for what follows in a list, not for a page."""
    return bool(request.htmx) and (request.htmx.target or "").startswith("more")


def page_size(request: HttpRequest, default: int) -> int:
    """Items a page: the list's own number, or what a page that refreshes itself has shown so far (`?limit=`)."""
    number = whole_number(request.GET.get("limit", ""))
    return default if number is None else min(max(number, default), MAX_PAGE)


def whole_number(text: str) -> int | None:
    """A number in an address; None for anything else, and for one larger than the store counts."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None


def cursor_of(request: HttpRequest) -> str | None:
    """Where a list goes on. Raises NotFoundError for what is longer than any cursor a page gave."""
    cursor = request.GET.get("cursor")
    if cursor and len(cursor) > MAX_CURSOR:
        raise NotFoundError("This page's address is not one the product made; go back to where the list begins.")
    return cursor


def more_url(request: HttpRequest, cursor: str | None) -> str | None:
    """The address of what follows; None when that was all."""
    if cursor is None:
        return None
    kept = {name: value for name, value in request.GET.items() if name not in ("cursor", "limit")}
    return f"{request.path}?{urlencode({**kept, 'cursor': cursor})}"


def page(request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """A page with state of its own user's: browsers ask again each time."""
    response = render(request, template, dict(context), status=status)
    patch_cache_control(response, private=True, no_cache=True)
    return response


def safe_next(request: HttpRequest, default: str) -> str:
    """Where a form wants to go back to, when that is a page of this site."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        return target
    return default


def see_other(url: str) -> HttpResponse:
    """After a POST: go and GET this."""
    response = HttpResponseRedirect(url)
    response.status_code = HTTPStatus.SEE_OTHER
    return response


def done(request: PageRequest, message: str, *, next_url: str, undo: str = "") -> HttpResponse:
    """Without JavaScript: go back to the page, which shows the message with a button that undoes the command `undo`."""
    messages.success(request, message, extra_tags=undo)
    return see_other(next_url)


# ---- pages ask again and again; most answers say that nothing has changed ------------------------------------------
# A whole page has no tag: a browser that comes back to it would send the tag of the part it asked for last.
def knows(request: PageRequest, tag: str) -> bool:
    """Whether the asker has what would be answered."""
    return request.headers.get("If-None-Match") == f'"{tag}"'


def unchanged(tag: str) -> HttpResponse:
    """304."""
    return tagged(HttpResponse(status=HTTPStatus.NOT_MODIFIED), tag)


def tagged(response: HttpResponse, tag: str) -> HttpResponse:
    """The answer with its tag, to be asked for again each time."""
    response["ETag"] = f'"{tag}"'
    patch_cache_control(response, private=True, no_cache=True)
    return response
