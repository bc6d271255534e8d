"""People: the list, one of them, adding, changing, merging, deleting; their labels and predictions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Self
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status
from ninja.decorators import decorate_view
from ninja.params.functions import Query
from pydantic import ConfigDict, Field, model_validator

from personas.api.answers import Label, Persona, PersonaChanged, PersonaDeleted, RankedFace
from personas.api.asking import (
    PERSONA_ID,
    CommandKey,
    FaceText,
    Page,
    Part,
    PersonaId,
    Sent,
    command_of,
    key_used,
    page_of,
)
from personas.api.interface import ApiRequest
from personas.entities import NOBODY, FaceKey
from personas.errors import NotFoundError
from personas.permissions import can_curate, can_label, require
from personas.selectors.gallery import get_persona, persona_grid, persona_labelled, persona_predicted
from personas.services.curation import delete_persona as delete
from personas.services.curation import merge_personas
from personas.services.personas import add_persona, change_persona
from personas.store import Store, get_store

router = Router(tags=["personas"])

#: Faces that a persona may be added with.
MAX_FACES = 1000
Search = Annotated[str, Query(max_length=200, description="Words that the name holds.")]
Hidden = Annotated[bool, Query(description="true: those hidden from this list, and no others.")]
Belongs = Annotated[bool, Query(description="false: faces that humans said are not this persona.")]
Name = Annotated[str, Field(min_length=1, max_length=400)]


class NewPersona(Sent):
    name: Name
    faces: list[FaceText] = Field([], max_length=MAX_FACES, description="Labelled as this persona at once.")


class PersonaChange(Sent):
    """What is sent is changed, at least one thing; the rest stays as it is."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Name = Field(default_factory=str)
    hidden: bool = Field(default_factory=bool, description="Left out of the list of personas; else all stays as it is.")
    cover: FaceText | None = Field(
        default_factory=lambda: None, description="The face shown for the persona; null: the product picks one."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name, hidden or cover must be sent")
        return self

    def changes(self) -> dict[str, Any]:
        said = self.model_dump(exclude_unset=True)
        return {**said, "cover": FaceKey.parse(said["cover"])} if said.get("cover") else said


class Merge(Sent):
    into: Annotated[str, Field(pattern=PERSONA_ID, description="The persona that remains.")]


@router.get("", response=Page[Persona])
def list_personas(
    request: ApiRequest, response: HttpResponse, part: Part, q: Search = "", hidden: Hidden = False
) -> Page[Persona]:
    """All personas that are not hidden, or those that are, by name."""
    found = persona_grid(get_store(), search=q, hidden=hidden, cursor=part.cursor, limit=part.limit)
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
    request: ApiRequest, persona_id: PersonaId, sent: PersonaChange, key: CommandKey = None
) -> PersonaChanged:
    """Rename a persona, hide or show it, choose its cover: all that is sent at once. Needs the labeller role."""
    command = _command(request, key)
    change_persona(persona_id=persona_id, **sent.changes(), **command)
    return _changed(persona_id, command["command_id"])


@router.delete("/{persona_id}", response=PersonaDeleted)
@decorate_view(require(can_curate))
def delete_persona(request: ApiRequest, persona_id: PersonaId, key: CommandKey = None) -> PersonaDeleted:
    """Delete a persona, and all that was said of it: its faces are unlabelled again. Needs the curator role.

    `POST /commands/{command_id}/undo` brings it back.
    """
    command = _command(request, key)
    n_faces = delete(persona_id=persona_id, **command)
    return PersonaDeleted(command_id=command["command_id"], n_faces=n_faces)


@router.post("/{persona_id}/merge", response=PersonaChanged)
@decorate_view(require(can_curate))
def merge_persona(request: ApiRequest, persona_id: PersonaId, sent: Merge, key: CommandKey = None) -> PersonaChanged:
    """Merge a persona into another, which the answer shows. Needs the curator role.

    All that was said of the one is said of the other from now on. `POST /commands/{command_id}/undo` takes them apart.
    """
    command = _command(request, key)
    remaining = merge_personas(persona_id=persona_id, into=sent.into, **command)
    return _changed(remaining.persona_id, command["command_id"])


def _command(request: ApiRequest, key: UUID | None) -> dict[str, Any]:
    """What every command on a persona is told."""
    return {
        "store": get_store(),
        "actor": request.user.get_username(),
        "at": timezone.now(),
        "command_id": command_of(key),
    }


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
