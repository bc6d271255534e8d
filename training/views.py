"""Model versions: metrics, why the gate refused, promotion and rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from personas.entities import Champion
from personas.permissions import can_manage, require
from personas.store import get_store
from personas.views.http import (
    PageRequest,
    cursor_of,
    done,
    more_url,
    page,
    safe_next,
    see_other,
    wants_partial,
    whole_number,
)
from training.promotion import UnableToPromoteError
from training.report import list_reports, version_report
from training.services import promote, rollback


@require_safe
def models(request: PageRequest) -> HttpResponse:
    """Every version there was, newest first, and which one is in use."""
    store = get_store()
    found = list_reports(store, cursor=cursor_of(request))
    context: dict[str, Any] = {
        "rows": found.items,
        "more": more_url(request, found.next_cursor),
        "champion": store.champion(),
    }
    if wants_partial(request):
        return render(request, "training/_versions.html", context)
    return page(request, "training/models.html", context)


@require_safe
def version(request: PageRequest, number: int) -> HttpResponse:
    """What one version is worth."""
    store = get_store()
    report = version_report(store, number)
    context = {"report": report, "row": report.row, "version": report.row.version, "champion": store.champion()}
    return page(request, "training/version.html", context)


@require_POST
@require(can_manage)
def promote_version(request: PageRequest, number: int) -> HttpResponseBase:
    """Use this version instead of the one that the form showed in use."""
    return _switch(request, lambda **command: promote(version=number, **command), "Version {} is in use now.")


@require_POST
@require(can_manage)
def roll_back(request: PageRequest) -> HttpResponseBase:
    """Use the version before the one that the form showed in use."""
    return _switch(request, rollback, "Rolled back: version {} is in use now.")


def _switch(request: PageRequest, switch: Callable[..., Champion], sentence: str) -> HttpResponseBase:
    """What cannot be done is said on the page it was asked on, which then shows what is in use."""
    next_url = safe_next(request, reverse("models"))
    try:
        champion = switch(
            store=get_store(),
            actor=request.user.get_username(),
            at=timezone.now(),
            expected_version=whole_number(request.POST.get("champion", "")),
        )
    except UnableToPromoteError as error:
        messages.error(request, str(error))
        return see_other(next_url)
    return done(request, sentence.format(champion.version), next_url=next_url)
