"""Confirming all that the champion is sure of: a page that shows what that would be, and the command."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from personas.forms import AboveForm, ConfirmForm, cleaned
from personas.permissions import can_label, require
from personas.selectors.bulk import MAX_CONFIRMED, predicted_above
from personas.selectors.gallery import get_persona
from personas.services.bulk import confirm_predicted
from personas.store import get_store
from personas.views.http import PageRequest, done, page

#: Faces shown of those that would be confirmed.
SAMPLED = 24
#: Per cent, before anybody chose.
USUALLY = 99


@require_http_methods(["GET", "HEAD", "POST"])
@require(can_label)
def confirm(request: PageRequest, persona_id: str) -> HttpResponseBase:
    """Look at what is above a probability (GET), and say that it is all this persona (POST)."""
    return _confirm(request, persona_id) if request.method == "POST" else _preview(request, persona_id)


def _preview(request: PageRequest, persona_id: str) -> HttpResponseBase:
    store = get_store()
    percent = cleaned(AboveForm(request.GET))["above"] or USUALLY
    persona = get_persona(store, persona_id).persona
    found = predicted_above(store, persona_id, float(percent) / 100)
    context = {
        "persona": persona,
        "percent": percent,
        "version": found.version,
        "shown": found.digest,
        "n_faces": len(found.faces),
        "more": found.more,
        "most": MAX_CONFIRMED,
        "sample": found.sample(SAMPLED),
    }
    return page(request, "people/confirm.html", context)


def _confirm(request: PageRequest, persona_id: str) -> HttpResponseBase:
    store, data = get_store(), cleaned(ConfirmForm(request.POST))
    name = get_persona(store, persona_id).persona.name
    n_faces = confirm_predicted(
        store=store,
        persona_id=persona_id,
        above=float(data["above"]) / 100,
        version=data["version"],
        shown=data["shown"],
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=str(data["command_id"]),
    )
    said = f"{n_faces:,} faces: This is {name}." if n_faces > 1 else f"This is {name}."
    return done(request, said, undo=str(data["command_id"]), next_url=reverse("persona", args=[persona_id]))
