"""Saying who a face is, and taking it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from personas.entities import IGNORED, NOBODY, NOT_A_FACE, STRANGER, FaceKey, Persona, Verdict
from personas.errors import AmbiguousError, NotFoundError, UnableToLabelError
from personas.forms import LabelForm, cleaned
from personas.permissions import can_label, require
from personas.selectors.gallery import personas_called
from personas.selectors.groups import faces_to_label
from personas.services.labelling import label_faces
from personas.services.personas import add_persona, persona_id_of_command
from personas.store import Store, get_store
from personas.views.http import PageRequest, done, safe_next
from personas.views.people import persona_context
from personas.views.pictures import render_faces

#: An event that is this much older than its request was recorded by an earlier one: the form is from an old page.
REPEATED = timedelta(seconds=30)
#: What people may say of a face that is no persona's, and how a sentence goes on after it was said.
SAID_OF_NOBODY: Mapping[str, str] = {
    STRANGER: "Marked as a stranger.",
    IGNORED: "Ignored.",
    NOT_A_FACE: "Marked as no face.",
}


@require_POST
@require(can_label)
def label(request: PageRequest) -> HttpResponseBase:
    """Faces belong to a persona (known, new, or a stranger), do not belong, or what was said is taken back."""
    store = get_store()
    data = cleaned(LabelForm(request.POST))
    if not data["faces"]:
        data["faces"] = faces_to_label(store, data["group"], edition=data["edition"], left_out=data["left_out"])
        if not data["faces"]:
            raise UnableToLabelError("Nobody is left in this group: its faces were all said to be somebody meanwhile.")
    faces: tuple[FaceKey, ...] = data["faces"]
    persona = _record(store, data, actor=request.user.get_username())
    message = _sentence(data["verdict"], data["persona_id"], persona.name, len(faces))
    undo = str(data["command_id"])
    next_url = safe_next(request, reverse("image", args=[faces[0].image_id]))
    if not request.htmx:
        return done(request, message, undo=undo, next_url=next_url)
    context = {
        "message": message,
        "undo": undo,
        "next": next_url,
        "oob": True,
    }
    return _partial(request, store, data, faces, context)


def _record(store: Store, data: Mapping[str, Any], *, actor: str) -> Persona:
    """One service call; returns who was meant.

    A command that was killed when it had added a person, and not yet labelled a face as them, goes on where it was.
    """
    command_id, now = str(data["command_id"]), timezone.now()
    persona = _meant(store, data["persona_id"], data["name"])
    if persona is None or persona.persona_id == persona_id_of_command(command_id):
        return add_persona(
            store=store, name=data["name"], faces=data["faces"], actor=actor, at=now, command_id=command_id
        )
    events = label_faces(
        store=store,
        persona_id=persona.persona_id,
        faces=data["faces"],
        verdict=data["verdict"],
        actor=actor,
        at=now,
        command_id=command_id,
    )
    if any(now - event.at > REPEATED for event in events):
        raise UnableToLabelError("This was sent before, and things may have changed since. Reload the page.")
    return persona


def _meant(store: Store, persona_id: str, name: str) -> Persona | None:
    """The persona an id or a typed name stands for; None: nobody has that name yet."""
    if persona_id in SAID_OF_NOBODY:
        return Persona(persona_id=persona_id, name=NOBODY[persona_id], created_at=timezone.now())
    if persona_id:
        persona = store.personas_by_id([persona_id]).get(persona_id)
        if persona is None:
            raise NotFoundError("This person was deleted meanwhile. Reload the page.")
        return persona
    called = personas_called(store, name)
    if len(called) > 1:
        raise AmbiguousError(
            f"{len(called)} people are called {called[0].name}. Open the one you mean and label from there.",
            tuple(persona.persona_id for persona in called),
        )
    return called[0] if called else None


def _sentence(verdict: Verdict, persona_id: str, name: str, n_faces: int) -> str:
    faces = "" if n_faces == 1 else f"{n_faces} faces: "
    match verdict:
        case Verdict.BELONGS:
            return faces + SAID_OF_NOBODY.get(persona_id, f"This is {name}.")
        case Verdict.REJECTED:
            return f"{faces}Not {name}. It will not be suggested again."
        case Verdict.CLEARED:
            return f"{faces}Label taken back."


def _partial(
    request: PageRequest, store: Store, data: Mapping[str, Any], faces: tuple[FaceKey, ...], context: dict[str, Any]
) -> HttpResponse:
    if data["view"] == "picture":
        response = render_faces(request, faces[0].image_id, context)
    else:
        if data["page_of"] and data["page_of"] not in NOBODY:
            context |= persona_context(store, data["page_of"], data["tab"])
        response = render(request, "people/_labelled.html", context)
    response["HX-Trigger"] = "labelled"
    return response
