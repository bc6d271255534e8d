"""Faces without a name: unknown people in groups, single faces, and what was said to be nobody we know."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_POST, require_safe

from personas.entities import IGNORED, NOT_A_FACE, STRANGER
from personas.permissions import can_label, require
from personas.selectors.groups import groups_state, single_faces, unknown_group, unknown_groups
from personas.services.grouping import ask_for_groups
from personas.store import get_store
from personas.views.http import PageRequest, cursor_of, more_url, page, page_size, safe_next, see_other, wants_partial
from personas.views.people import TILES, tiles

#: Groups on the first page, before the single faces, and a page where they are alone.
FIRST_GROUPS, GROUPS = 8, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A page of faces that were said to be no persona's."""

    persona_id: str
    lead: str
    empty_title: str
    empty_text: str


SET_ASIDE: Final[dict[str, SetAside]] = {
    "strangers": SetAside(
        persona_id=STRANGER,
        lead="Somebody said that these are strangers. They get no name, and teach the product whom not to name.",
        empty_title="No strangers marked",
        empty_text="Passers-by and crowds: mark a face as a stranger. It gets no name then, and teaches the product "
        "whom not to name.",
    ),
    "ignored": SetAside(
        persona_id=IGNORED,
        lead="Faces that nobody needs to look at again. Nothing is learnt from them, and each can be taken back.",
        empty_title="Nothing ignored",
        empty_text="Ignore people you do not want to name. Their faces leave the unknown ones, and wait here.",
    ),
    "not-faces": SetAside(
        persona_id=NOT_A_FACE,
        lead="Somebody said that these show no face: a statue, a pattern, a mistake. Each can be taken back.",
        empty_title="No mistakes marked",
        empty_text="Where the product took something else for a face, say so. It leaves the unknown ones, and waits "
        "here.",
    ),
}


@require_safe
def unknown(request: PageRequest) -> HttpResponse:
    """Unknown people, the largest groups first; then single faces that nobody claims."""
    store = get_store()
    # Read before the groups: of a run that ends in between, the page learns by its next look, and refreshes.
    state = groups_state(store)
    found = single_faces(store, cursor=cursor_of(request), limit=page_size(request, TILES))
    context: dict[str, Any] = {
        "tab": "unknown",
        "tiles": [(view.face, None, None) for view in found.items],
        "more": more_url(request, found.next_cursor),
        "here": request.get_full_path(),
        "page_of": "",
    }
    if wants_partial(request):
        return render(request, "people/_tiles.html", context)
    groups = unknown_groups(store, limit=FIRST_GROUPS)
    context["no_faces"] = not (found.items or groups.items) and not store.count_images()["faces_total"]
    context |= {"grouping": state, "groups": groups.items, "more_groups": groups.next_cursor is not None}
    return page(request, "people/unknown.html", context)


@require_safe
def groups(request: PageRequest) -> HttpResponse:
    """All groups of unknown people, the largest first."""
    store = get_store()
    state = groups_state(store)
    found = unknown_groups(store, cursor=cursor_of(request), limit=page_size(request, GROUPS))
    context = {
        "tab": "unknown",
        "grouping": state,
        "groups": found.items,
        "more": more_url(request, found.next_cursor),
        "here": request.get_full_path(),
    }
    if wants_partial(request):
        return render(request, "people/_groups.html", context)
    return page(request, "people/groups.html", context)


@require_safe
def group(request: PageRequest, group_id: str) -> HttpResponse:
    """All faces of a group, each of which can be left out before a name is given."""
    store = get_store()
    view, following = unknown_group(store, group_id, cursor=cursor_of(request), limit=page_size(request, TILES))
    context = {"tab": "unknown", "group": view, "more": more_url(request, following), "here": request.get_full_path()}
    if wants_partial(request):
        return render(request, "people/_group_faces.html", context)
    return page(request, "people/group.html", context)


@require_safe
def grouping(request: PageRequest) -> HttpResponseBase:
    """How far grouping is: pages of unknown people poll this with the tag they know; most answers are 304."""
    state = groups_state(get_store())
    etag = f'"{state.tag}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=HTTPStatus.NOT_MODIFIED)
    else:
        response = render(request, "people/_grouping.html", {"grouping": state})
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    return response


@require_POST
@require(can_label)
def group_again(request: PageRequest) -> HttpResponseBase:
    """Have unknown faces grouped now."""
    asked = ask_for_groups(store=get_store(), actor=request.user.get_username(), at=timezone.now())
    messages.success(
        request,
        "Unknown faces are being grouped; the page shows it when they are."
        if asked
        else "Unknown faces are being grouped already.",
    )
    return see_other(safe_next(request, reverse("unknown")))


@require_safe
def set_aside(request: PageRequest, kind: str) -> HttpResponse:
    """Faces that somebody said are strangers, not worth a name, or no faces; each can be taken back."""
    store = get_store()
    said = SET_ASIDE[kind]
    context: dict[str, Any] = {"persona": None, "set_aside": said}
    context |= tiles(request, store, said.persona_id, "labelled") | {"tab": kind}
    if wants_partial(request):
        return render(request, "people/_tiles.html", context)
    counts = store.label_counts([each.persona_id for each in SET_ASIDE.values()])
    context["counts"] = {persona_id: labelled for persona_id, (labelled, _) in counts.items()}
    return page(request, "people/set_aside.html", context)
