"""What people did, and taking it back."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from personas.forms import UndoForm, cleaned
from personas.permissions import can_curate, can_label, demand, require
from personas.selectors.history import history as entries_of
from personas.selectors.history import is_curated
from personas.services.undo import Undone, undo_command
from personas.store import get_store
from personas.views.http import PageRequest, cursor_of, done, more_url, page, page_size, safe_next, wants_partial

ENTRIES = 50


@require_safe
def history(request: PageRequest) -> HttpResponse:
    """Every command, newest first, with who, when, what, and a button that takes it back."""
    found = entries_of(get_store(), cursor=cursor_of(request), limit=page_size(request, ENTRIES))
    context = {
        "entries": found.items,
        "more": more_url(request, found.next_cursor),
        "here": request.get_full_path(),
    }
    if wants_partial(request):
        return render(request, "people/_history.html", context)
    return page(request, "people/history.html", context)


@require_POST
@require(can_label)
def undo(request: PageRequest) -> HttpResponseBase:
    """Take a command back: what the button of a toast sends, or of the history."""
    store, command_id = get_store(), str(cleaned(UndoForm(request.POST))["undo"])
    if is_curated(store, command_id):
        demand(request.user, can_curate)
    undone = undo_command(store=store, command_id=command_id, actor=request.user.get_username(), at=timezone.now())
    message = _sentence(undone)
    if not request.htmx:
        return done(request, message, undo=undone.command_id, next_url=safe_next(request, reverse("persona-grid")))
    context = {"message": message, "undo": undone.command_id, "undo_word": "Redo", "next": reverse("persona-grid")}
    response = render(request, "_toast.html", context)
    response["HX-Trigger"] = "labelled, undone"
    return response


def _sentence(undone: Undone) -> str:
    kept = f"Undone, but for {undone.n_kept} changed since." if undone.n_kept else "Undone."
    if not undone.n_erased:
        return kept
    one = undone.n_erased == 1
    what = "One picture was" if one else f"{undone.n_erased} pictures were"
    return f"{kept} {what} erased for good on {undone.erased_on} and {'stays' if one else 'stay'} gone."
