"""The page that says who is in a picture without taking it in."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from ingest.extractors import web_extractors
from ingest.finding import find_people
from ingest.forms import FindForm
from ingest.upload_handler import InMemoryUploadHandler
from personas.forms import cleaned
from personas.middleware import takes_bodies
from personas.permissions import can_look, require
from personas.store import get_store
from personas.views.http import PageRequest, page


@takes_bodies(can_look, one_picture=True)
@csrf_exempt  # checked below: the check reads the form, and the file must not be spooled to a disk by then
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: PageRequest) -> HttpResponseBase:
    """A picture is chosen or dropped; its faces, and who they may be, come back. Nothing of it is kept."""
    request.upload_handlers = [InMemoryUploadHandler(request)]
    return _find(request)


@csrf_protect
@require(can_look)
def _find(request: PageRequest) -> HttpResponse:
    if request.method != "POST":
        return page(request, "ingest/find.html", {})
    picture = cleaned(FindForm(request.POST, request.FILES))["picture"]
    found = find_people(store=get_store(), extractors=web_extractors(), content=picture.read())
    context: dict[str, Any] = {"found": found}
    response = render(request, "ingest/_found.html" if request.htmx else "ingest/find.html", context)
    patch_cache_control(response, private=True, no_store=True)
    return response
