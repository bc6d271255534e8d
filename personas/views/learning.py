"""The quiet line on every page: what the trainer is doing."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from personas.selectors.learning import learning_state
from personas.store import get_store
from personas.views.http import PageRequest


@require_safe
def learning(request: PageRequest) -> HttpResponseBase:
    """Pages poll this with the tag they know; most answers are 304 and cost a handful of indexed reads."""
    state = learning_state(get_store())
    etag = f'"{state.tag}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        response = render(request, "_learning.html", {"learning": state})
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    return response
