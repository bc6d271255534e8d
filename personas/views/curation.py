"""What curators do: merge, hide and delete personas, delete pictures."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from personas.forms import CommandForm, HideForm, MergeForm, cleaned
from personas.permissions import can_curate, can_label, require
from personas.selectors.gallery import the_persona_called
from personas.services.curation import delete_images, delete_persona, merge_personas
from personas.services.personas import hide_persona
from personas.store import get_store
from personas.views.http import PageRequest, done, safe_next
from personas.words import count_of


@require_POST
@require(can_curate)
def merge(request: PageRequest, persona_id: str) -> HttpResponseBase:
    """This persona becomes part of another, which is named or picked."""
    data = cleaned(MergeForm(request.POST))
    store = get_store()
    into = data["into"] or the_persona_called(store, data["name"], but=persona_id).persona_id
    remaining = merge_personas(persona_id=persona_id, into=into, **_command(request, data))
    url = reverse("persona", args=[remaining.persona_id])
    return done(request, f"Merged into {remaining.name}.", undo=str(data["command_id"]), next_url=url)


@require_POST
@require(can_label)
def hide(request: PageRequest, persona_id: str) -> HttpResponseBase:
    data = cleaned(HideForm(request.POST))
    hide_persona(persona_id=persona_id, hidden=data["hidden"], **_command(request, data))
    message = "Hidden from the grid of people." if data["hidden"] else "Shown in the grid of people again."
    next_url = safe_next(request, reverse("persona", args=[persona_id]))
    return done(request, message, undo=str(data["command_id"]), next_url=next_url)


@require_POST
@require(can_curate)
def delete(request: PageRequest, persona_id: str) -> HttpResponseBase:
    data = cleaned(CommandForm(request.POST))
    n_faces = delete_persona(persona_id=persona_id, **_command(request, data))
    freed = f" {count_of(n_faces, 'face')} {'is' if n_faces == 1 else 'are'} unlabelled again." if n_faces else ""
    return done(request, f"Deleted.{freed}", undo=str(data["command_id"]), next_url=reverse("persona-grid"))


@require_POST
@require(can_curate)
def delete_image(request: PageRequest, image_id: str) -> HttpResponseBase:
    data = cleaned(CommandForm(request.POST))
    delete_images(image_ids=[image_id], **_command(request, data))
    return done(request, "Picture deleted.", undo=str(data["command_id"]), next_url=reverse("images"))


def _command(request: PageRequest, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "store": get_store(),
        "actor": request.user.get_username(),
        "at": timezone.now(),
        "command_id": str(data["command_id"]),
    }
