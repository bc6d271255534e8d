"""The persona grid, a persona's page, and what can be done to a persona."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from personas.entities import NOBODY, FaceKey
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
from personas.selectors.ordered import SORTED_AT_MOST, LabelOrder, labelled_in_order, persona_pictures
from personas.services.personas import add_persona, choose_cover, rename_persona
from personas.store import Store, get_store
from personas.views.http import PageRequest, cursor_of, done, more_url, page, page_size, safe_next, wants_partial

CARDS = 60
TILES = 60
SUGGESTIONS = 30
MATCHES = 8
THUMBNAILS = 60
TABS = ("predicted", "labelled", "rejected", "pictures")
#: How faces may be sorted (`?sort=`), and the least probabilities to pick from (`?min=`, per cent), with their words.
SORTS = (("date", "Newest label"), ("quality", "Clearest"), ("any", "Unsorted"))
LEAST = (("", "All"), ("50", "50 % and more"), ("80", "80 %"), ("95", "95 %"))


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
    context["n_hidden"] = found.n_hidden
    if not search and not covers:
        context["counts"] = counts = store.count_images()
        context["no_pictures"] = not any(counts.values())
        context["offers_sample"] = Path(settings.SAMPLE_DATA).is_dir()
    return page(request, "people/grid.html", context)


@require_safe
def matches(request: PageRequest) -> HttpResponse:
    """People whose name is being typed into the search field, with covers and counts."""
    store = get_store()
    search = request.GET.get("q", "").strip()
    found = persona_grid(store, search=search, limit=MATCHES).items if search else ()
    covers = faces_by_key(store, [summary.cover for summary in found if summary.cover])
    people = [(summary, covers.get(summary.cover) if summary.cover else None) for summary in found]
    return render(request, "people/_matches.html", {"people": people, "search": search})


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
    """One persona: labelled, predicted or rejected faces, or the pictures that show it."""
    store = get_store()
    # Read before the faces: of a version that comes in between, the page learns by its next look, and refreshes.
    context: dict[str, Any] = {} if wants_partial(request) else {"learning": learning_state(store)}
    context |= persona_context(store, persona_id, request.GET.get("show", ""))
    if context["tab"] == "pictures":
        context |= _pictures(request, store, persona_id)
    else:
        context |= tiles(request, store, persona_id, context["tab"])
    context["bulk"] = context["tab"] == "predicted" and can_label(request.user)
    if wants_partial(request):
        template = "pictures/_thumbnails.html" if context["tab"] == "pictures" else "people/_tiles.html"
        return render(request, template, context)
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
        "tabs": [(name, counts.get(name), name == tab) for name in TABS],
    }


def tiles(request: PageRequest, store: Store, persona_id: str, tab: str) -> dict[str, Any]:
    """A page of face tiles of a tab: `(face, probability or None, label or None)` each."""
    context = (
        _predicted(request, store, persona_id) if tab == "predicted" else _labelled(request, store, persona_id, tab)
    )
    return {**context, "here": request.get_full_path(), "page_of": persona_id}


def _predicted(request: PageRequest, store: Store, persona_id: str) -> dict[str, Any]:
    least, choices = _choices(request, "min", LEAST, tab="predicted")
    found = persona_predicted(
        store,
        persona_id,
        at_least=int(least or 0) / 100,
        cursor=cursor_of(request),
        limit=page_size(request, TILES),
    )
    return {
        "tiles": [(item.face, item.probability, None) for item in found.items],
        "more": more_url(request, found.next_cursor),
        "version": found.items[0].version if found.items else None,
        "choices": choices,
        "least": least,
    }


def _labelled(request: PageRequest, store: Store, persona_id: str, tab: str) -> dict[str, Any]:
    """Unsorted, all of them are there however many; sorted, a bounded number."""
    sort, choices = _choices(request, "sort", SORTS, tab=tab)
    belongs, cursor, limit = tab == "labelled", cursor_of(request), page_size(request, TILES)
    context: dict[str, Any] = {"choices": choices}
    if persona_id in NOBODY or sort == "any":
        every = persona_labelled(store, persona_id, belongs=belongs, cursor=cursor, limit=limit)
        items, following = every.items, every.next_cursor
    else:
        found = labelled_in_order(store, persona_id, LabelOrder(sort), belongs=belongs, cursor=cursor, limit=limit)
        items, following = found.items, found.next_cursor
        context["cut_at"] = SORTED_AT_MOST if found.is_cut else None
    return context | {"tiles": [(item.face, None, item.label) for item in items], "more": more_url(request, following)}


def _pictures(request: PageRequest, store: Store, persona_id: str) -> dict[str, Any]:
    found = persona_pictures(store, persona_id, cursor=cursor_of(request), limit=page_size(request, THUMBNAILS))
    paths = store.paths_of([image.image_id for image in found.items])
    return {
        "pictures": [(image, paths.get(image.image_id, ())) for image in found.items],
        "more": more_url(request, found.next_cursor),
        "cut_at": SORTED_AT_MOST if found.is_cut else None,
        "here": request.get_full_path(),
    }


def _choices(
    request: PageRequest, name: str, values: Sequence[tuple[str, str]], *, tab: str
) -> tuple[str, list[tuple[str, str, bool]]]:
    """What the address chooses of these (the first, where it says nothing known), and a link for each of them."""
    known = [value for value, _ in values]
    asked = request.GET.get(name, "")
    chosen = asked if asked in known else known[0]
    links = [
        (words, f"{request.path}?{urlencode({'show': tab, **({name: value} if value else {})})}", value == chosen)
        for value, words in values
    ]
    return chosen, links


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
