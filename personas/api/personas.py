"""People: the list, one of them, adding, renaming; their labels and predictions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status
from ninja.decorators import decorate_view
from ninja.params.functions import Query
from pydantic import Field

from personas.api.answers import Label, Persona, PersonaChanged, RankedFace
from personas.api.asking import CommandKey, FaceText, Page, Part, PersonaId, Sent, command_of, key_used, page_of
from personas.api.interface import ApiRequest
from personas.entities import NOBODY, FaceKey
from personas.errors import NotFoundError
from personas.permissions import can_label, require
from personas.selectors.gallery import get_persona, persona_grid, persona_labelled, persona_predicted
from personas.services.personas import add_persona, rename_persona
from personas.store import Store, get_store

router = Router(tags=["personas"])

#: Faces that a persona may be added with.
MAX_FACES = 1000
Search = Annotated[str, Query(max_length=200, description="Words that the name holds.")]
Belongs = Annotated[bool, Query(description="false: faces that humans said are not this persona.")]
Name = Annotated[str, Field(min_length=1, max_length=400)]


class NewPersona(Sent):
    name: Name
    faces: list[FaceText] = Field([], max_length=MAX_FACES, description="Labelled as this persona at once.")


class PersonaNamed(Sent):
    name: Name


@router.get("", response=Page[Persona])
def list_personas(request: ApiRequest, response: HttpResponse, part: Part, q: Search = "") -> Page[Persona]:
    """All personas that are not hidden, by name."""
    found = persona_grid(get_store(), search=q, cursor=part.cursor, limit=part.limit)
    return page_of(Page[Persona], found, Persona.of, request=request, response=response)


@router.post("", response={201: PersonaChanged})
@decorate_view(require(can_label))
def create_persona(
    request: ApiRequest, response: HttpResponse, sent: NewPersona, key: CommandKey = None
) -> Status[PersonaChanged]:
    """Add a persona, and label faces as them. Needs the labeller role.

    A name that exists is taken once more: two personas may share a name.
    """
    store, command_id = get_store(), command_of(key)
    added = add_persona(
        store=store,
        name=sent.name,
        faces=[FaceKey.parse(face) for face in sent.faces],
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=command_id,
    )
    if added.persona_id not in store.personas_by_id([added.persona_id]):
        raise key_used()
    response["Location"] = reverse("api:read_persona", args=[added.persona_id])
    return Status(HTTPStatus.CREATED, _changed(added.persona_id, command_id))


@router.get("/{persona_id}", response=Persona)
def read_persona(request: ApiRequest, persona_id: PersonaId) -> Persona:
    """One persona."""
    return Persona.of(get_persona(get_store(), persona_id))


@router.patch("/{persona_id}", response=PersonaChanged)
@decorate_view(require(can_label))
def update_persona(
    request: ApiRequest, persona_id: PersonaId, sent: PersonaNamed, key: CommandKey = None
) -> PersonaChanged:
    """Rename a persona. Needs the labeller role."""
    command_id = command_of(key)
    rename_persona(
        store=get_store(),
        persona_id=persona_id,
        name=sent.name,
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=command_id,
    )
    return _changed(persona_id, command_id)


def _changed(persona_id: str, command_id: str) -> PersonaChanged:
    """The persona as it stands: a command that was sent before has changed nothing."""
    return PersonaChanged(command_id=command_id, persona=Persona.of(get_persona(get_store(), persona_id)))


def _require(store: Store, persona_id: str) -> None:
    """Lists of somebody who is not there would be empty; say so instead."""
    if persona_id not in store.personas_by_id([persona_id]):
        raise NotFoundError("There is no such persona; it may have been deleted.")


@router.get("/{persona_id}/labels", response=Page[Label], tags=["labels"])
def list_labels(
    request: ApiRequest, response: HttpResponse, persona_id: PersonaId, part: Part, belongs: Belongs = True
) -> Page[Label]:
    """What humans said of faces and this persona (or `stranger`, `ignored`, `not_a_face`, `deleted`), by face."""
    store = get_store()
    if persona_id not in NOBODY:
        _require(store, persona_id)
    found = persona_labelled(store, persona_id, belongs=belongs, cursor=part.cursor, limit=part.limit)
    return page_of(Page[Label], found, Label.labelled, request=request, response=response)


@router.get("/{persona_id}/predictions", response=Page[RankedFace], tags=["predictions"])
def list_persona_predictions(
    request: ApiRequest, response: HttpResponse, persona_id: PersonaId, part: Part
) -> Page[RankedFace]:
    """Faces that the version in use names as this persona and no human spoke of, the most probable first.

    A cursor goes on in the version it began with, though another is in use meanwhile.
    """
    store = get_store()
    _require(store, persona_id)
    found = persona_predicted(store, persona_id, cursor=part.cursor, limit=part.limit)
    return page_of(Page[RankedFace], found, RankedFace.predicted, request=request, response=response)
