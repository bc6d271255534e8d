"""The persona grid, a persona's page, and what can be done to a persona."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from personas.entities import FaceKey
from personas.forms import CoverForm, NameForm, cleaned
from personas.permissions import can_label, require
from personas.selectors.faces import faces_by_key
from personas.selectors.gallery import (
    find_personas,
    get_persona,
    persona_grid,
    persona_labelled,
    persona_predicted,
)
from personas.selectors.learning import learning_state
from personas.services.personas import add_persona, choose_cover, rename_persona
from personas.store import Store, get_store
from personas.views.http import PageRequest, cursor_of, done, more_url, page, page_size, safe_next, wants_partial

CARDS = 60
TILES = 60
SUGGESTIONS = 30
TABS = ("predicted", "labelled", "rejected")


@require_safe
def grid(request: PageRequest) -> HttpResponse:
    """Everyone the system knows, by name."""
    store = get_store()
    search = request.GET.get("q", "").strip()
    hidden = request.GET.get("show") == "hidden"
    found = persona_grid(
        store, search=search, hidden=hidden, cursor=cursor_of(request), limit=page_size(request, CARDS)
    )
    covers = faces_by_key(store, [summary.cover for summary in found.items if summary.cover])
    context: dict[str, Any] = {
        "people": [(summary, covers.get(summary.cover) if summary.cover else None) for summary in found.items],
        "more": more_url(request, found.next_cursor),
        "search": search,
        "hidden": hidden,
    }
    if wants_partial(request):
        return render(request, "people/_cards.html", context)
    context["n_hidden"] = len(find_personas(store, hidden=True))
    if not found.items and not search:
        context["counts"] = store.count_images()
        context["offers_sample"] = Path(settings.SAMPLE_DATA).is_dir()
    return page(request, "people/grid.html", context)


@require_safe
def names(request: PageRequest) -> HttpResponse:
    """Suggestions for a name being typed, as options of a datalist."""
    people = find_personas(get_store(), request.GET.get("name", ""))
    return render(request, "people/_names.html", {"suggestions": people[:SUGGESTIONS]})


@require_POST
@require(can_label)
def add(request: PageRequest) -> HttpResponseBase:
    data = cleaned(NameForm(request.POST))
    persona = add_persona(
        store=get_store(),
        name=data["name"],
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=str(data["command_id"]),
    )
    url = reverse("persona", args=[persona.persona_id])
    return done(request, f"Added {persona.name}.", undo=str(data["command_id"]), next_url=url)


@require_safe
def persona(request: PageRequest, persona_id: str) -> HttpResponse:
    """One persona as face crops: labelled, predicted or rejected."""
    store = get_store()
    # Read before the faces: of a version that comes in between, the page learns by its next look, and refreshes.
    context: dict[str, Any] = {} if wants_partial(request) else {"learning": learning_state(store)}
    context |= persona_context(store, persona_id, request.GET.get("show", ""))
    context |= tiles(request, store, persona_id, context["tab"])
    if wants_partial(request):
        return render(request, "people/_tiles.html", context)
    cover = context["summary"].cover
    context["cover"] = faces_by_key(store, [cover]).get(cover) if cover else None
    return page(request, "people/persona.html", context)


def persona_context(store: Store, persona_id: str, show: str) -> dict[str, Any]:
    """What the head of a persona's page shows; also sent along after a label changed the counts.

    Without `show` the tab is chosen anew each time, so a page that refreshes itself opens the first predictions.
    """
    summary = get_persona(store, persona_id)
    counts = {"predicted": summary.n_predicted, "labelled": summary.n_labelled, "rejected": summary.n_rejected}
    tab = show if show in TABS else "predicted" if summary.n_predicted else "labelled"
    return {
        "summary": summary,
        "persona": summary.persona,
        "tab": tab,
        "tabs": [(name, counts[name], name == tab) for name in TABS],
    }


def tiles(request: PageRequest, store: Store, persona_id: str, tab: str) -> dict[str, Any]:
    """A page of face tiles of a tab: `(face, probability or None, label or None)` each."""
    cursor, limit = cursor_of(request), page_size(request, TILES)
    rows: list[tuple[Any, ...]]
    if tab == "predicted":
        predicted = persona_predicted(store, persona_id, cursor=cursor, limit=limit)
        rows = [(item.face, item.probability, None) for item in predicted.items]
        more = predicted.next_cursor
    else:
        labelled = persona_labelled(store, persona_id, belongs=tab == "labelled", cursor=cursor, limit=limit)
        rows = [(item.face, None, item.label) for item in labelled.items]
        more = labelled.next_cursor
    return {"tiles": rows, "more": more_url(request, more), "here": request.get_full_path(), "page_of": persona_id}


@require_POST
@require(can_label)
def rename(request: PageRequest, persona_id: str) -> HttpResponseBase:
    store = get_store()
    data = cleaned(NameForm(request.POST))
    old = get_persona(store, persona_id).persona.name
    rename_persona(
        store=store,
        persona_id=persona_id,
        name=data["name"],
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=str(data["command_id"]),
    )
    return done(
        request,
        f"Renamed {old} to {data['name']}.",
        undo=str(data["command_id"]),
        next_url=safe_next(request, reverse("persona", args=[persona_id])),
    )


@require_POST
@require(can_label)
def cover(request: PageRequest, persona_id: str) -> HttpResponseBase:
    store = get_store()
    data = cleaned(CoverForm(request.POST))
    chosen: FaceKey | None = data["face"]
    choose_cover(
        store=store,
        persona_id=persona_id,
        cover=chosen,
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=str(data["command_id"]),
    )
    return done(
        request,
        "This face is the cover now." if chosen else "The product picks the cover again.",
        undo=str(data["command_id"]),
        next_url=safe_next(request, reverse("persona", args=[persona_id])),
    )
