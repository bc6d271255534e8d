"""Model versions: metrics, why the gate refused, promotion and rollback."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from personas.permissions import can_manage, require
from personas.store import get_store
from personas.views.http import PageRequest, done, more_url, page


@require_GET
def models(request: PageRequest) -> HttpResponse:
    store = get_store()
    found = store.model_versions(cursor=request.GET.get("cursor"))
    return page(
        request,
        "training/models.html",
        {"versions": found.items, "champion": store.champion(), "more": more_url(request, found.next_cursor)},
    )


@require_GET
def version(request: PageRequest, number: int) -> HttpResponse:
    return models(request)


@require_POST
@require(can_manage)
def promote_version(request: PageRequest, number: int) -> HttpResponseBase:
    from training.services import promote

    promote(store=get_store(), version=number, actor=request.user.get_username(), at=timezone.now())
    return done(request, f"Version {number} is in use now.", undo=None, next_url="/models/")


@require_POST
@require(can_manage)
def roll_back(request: PageRequest) -> HttpResponseBase:
    from training.services import rollback

    champion = rollback(store=get_store(), actor=request.user.get_username(), at=timezone.now())
    return done(request, f"Rolled back: version {champion.version} is in use now.", undo=None, next_url="/models/")
