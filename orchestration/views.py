"""The status page, and the button that brings the sample data in."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from orchestration.services import queue_sample_data
from orchestration.status import system_status
from personas.permissions import can_upload, require
from personas.store import get_store
from personas.views.http import PageRequest, knows, page, see_other, tagged, unchanged


@require_safe
def status(request: PageRequest) -> HttpResponse:
    """How everything is; the page asks for itself again and again, and is told when nothing has changed."""
    found = system_status(get_store(), now=timezone.now())
    if not request.htmx:
        return page(request, "status/status.html", {"system": found})
    if knows(request, found.tag):
        return unchanged(found.tag)
    return tagged(render(request, "status/_body.html", {"system": found}), found.tag)


@require_POST
@require(can_upload)
def sample_data(request: PageRequest) -> HttpResponse:
    """Have the ingest-workers take in the pictures that come with the product, and show how far they are."""
    queued = queue_sample_data(actor=request.user.get_username())
    return see_other(reverse("job", args=[queued["job_id"]]))
