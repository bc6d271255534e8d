"""Model versions: metrics, why the gate refused, promotion and rollback."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from personas.permissions import can_manage, require
from personas.store import get_store
from personas.views.http import PageRequest, cursor_of, done, more_url, page, safe_next, wants_partial
from training.report import list_reports, version_report
from training.services import promote, rollback


@require_safe
def models(request: PageRequest) -> HttpResponse:
    """Every version there was, newest first, and which one is in use."""
    store = get_store()
    found = list_reports(store, cursor=cursor_of(request))
    context: dict[str, Any] = {"rows": found.items, "more": more_url(request, found.next_cursor)}
    if wants_partial(request):
        return render(request, "training/_versions.html", context)
    context["champion"] = store.champion()
    return page(request, "training/models.html", context)


@require_safe
def version(request: PageRequest, number: int) -> HttpResponse:
    """What one version is worth."""
    report = version_report(get_store(), number)
    return page(request, "training/version.html", {"report": report, "row": report.row, "version": report.row.version})


@require_POST
@require(can_manage)
def promote_version(request: PageRequest, number: int) -> HttpResponseBase:
    promote(store=get_store(), version=number, actor=request.user.get_username(), at=timezone.now())
    return done(request, f"Version {number} is in use now.", undo=None, next_url=safe_next(request, reverse("models")))


@require_POST
@require(can_manage)
def roll_back(request: PageRequest) -> HttpResponseBase:
    champion = rollback(store=get_store(), actor=request.user.get_username(), at=timezone.now())
    return done(
        request,
        f"Rolled back: version {champion.version} is in use now.",
        undo=None,
        next_url=safe_next(request, reverse("models")),
    )
