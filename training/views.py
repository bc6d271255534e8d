"""Model versions: metrics, comparison, why the gate refused, promotion and rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from personas.entities import Champion
from personas.errors import NotFoundError
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
from training.learning_curve import Over
from training.promotion import UnableToPromoteError
from training.report import list_reports
from training.selectors import compare_page, models_page, pair_to_compare, version_page
from training.services import promote, rollback


@require_safe
def models(request: PageRequest) -> HttpResponse:
    """Every version there was, newest first, how they got better, and which one is in use."""
    store = get_store()
    if wants_partial(request):
        rows = list_reports(store, cursor=cursor_of(request))
        more = {"rows": rows.items, "more": more_url(request, rows.next_cursor), "champion": store.champion()}
        return render(request, "training/_versions.html", more)
    found = models_page(store, over=_over(request), cursor=cursor_of(request))
    context: dict[str, Any] = {
        "page": found,
        "rows": found.rows.items,
        "more": more_url(request, found.rows.next_cursor),
        "champion": found.champion,
    }
    return page(request, "training/models.html", context)


@require_safe
def version(request: PageRequest, number: int) -> HttpResponse:
    """What one version is worth."""
    found = version_page(get_store(), number)
    row = found.report.row
    context = {"page": found, "report": found.report, "row": row, "version": row.version, "champion": found.champion}
    return page(request, "training/version.html", context)


@require_safe
def compare(request: PageRequest) -> HttpResponse:
    """Two versions side by side; without a choice in the address, the two that matter most now."""
    store = get_store()
    if not request.GET.get("a") and not request.GET.get("b"):
        pair = pair_to_compare(store)
        if pair is None:
            return page(request, "training/compare_nothing.html", {})
        return redirect(f"{request.path}?a={pair[0]}&b={pair[1]}")
    a, b = (whole_number(request.GET.get(side, "")) for side in ("a", "b"))
    if a is None or b is None:
        raise NotFoundError("The address names no two versions; choose two in the list of models.")
    found = compare_page(store, a=a, b=b)
    return page(request, "training/compare.html", {"page": found, "champion": found.champion})


def _over(request: PageRequest) -> Over:
    asked = request.GET.get("over", "")
    return Over(asked) if asked in set(Over) else Over.LABELS


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
