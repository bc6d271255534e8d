"""Deleted pictures: looking at them, restoring, and erasing them for good."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from personas.crops import shrink_picture
from personas.forms import CommandForm, cleaned
from personas.permissions import can_curate, require
from personas.selectors.erasing import DeletedPicture, deleted_picture, deleted_pictures
from personas.services.erasing import begin_erasing
from personas.store import get_store
from personas.views.http import PageRequest, cursor_of, done, more_url, page, page_size, wants_partial
from personas.views.pictures import jpeg

PICTURES = 30
PREVIEW = 320


def _kept() -> timedelta:
    return timedelta(days=settings.DELETED_KEPT_DAYS)


@require_safe
@require(can_curate)
def deleted(request: PageRequest) -> HttpResponse:
    """Pictures that were deleted and can still be restored."""
    found = deleted_pictures(get_store(), kept=_kept(), cursor=cursor_of(request), limit=page_size(request, PICTURES))
    context = {
        "pictures": found.items,
        "more": more_url(request, found.next_cursor),
        "kept_days": settings.DELETED_KEPT_DAYS,
    }
    if wants_partial(request):
        return render(request, "pictures/_deleted.html", context)
    return page(request, "pictures/deleted.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@require(can_curate)
def erase(request: PageRequest, image_id: str) -> HttpResponseBase:
    """What goes with a picture, and the button that erases it."""
    store = get_store()
    if request.method != "POST":
        return page(request, "pictures/erase.html", {"picture": _deleted_picture(image_id)})
    data = cleaned(CommandForm(request.POST))
    begin_erasing(
        store=store,
        image_ids=[image_id],
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=str(data["command_id"]),
    )
    message = "The picture is erased for good. Its files are removed in the next seconds."
    return done(request, message, next_url=reverse("images-deleted"))


@require_safe
@require(can_curate)
def preview(request: HttpRequest, image_id: str) -> HttpResponseBase:
    """A small copy of a deleted picture; browsers keep none."""
    response = jpeg(request, shrink_picture(_deleted_picture(image_id).image, size=PREVIEW), kept=False)
    response["Cache-Control"] = "private, no-store"
    return response


def _deleted_picture(image_id: str) -> DeletedPicture:
    return deleted_picture(get_store(), image_id, kept=_kept())
