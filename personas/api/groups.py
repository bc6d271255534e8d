"""Unknown people: groups of faces that are probably one person each, whom nobody named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from django.http import HttpResponse
from ninja import Router
from pydantic import Field

from personas.api.answers import Answer, FaceSaid
from personas.api.asking import GroupId, Page, Part, link_next, page_of
from personas.api.interface import ApiRequest
from personas.entities import Persona
from personas.selectors.faces import FaceView, mentioned
from personas.selectors.groups import GroupView, unknown_group, unknown_groups
from personas.store import Store, get_store

router = Router(tags=["groups"])

NFaces = Annotated[int, Field(description="Faces of the group that nobody claims yet.")]


class UnknownGroup(Answer):
    """Faces that are probably one person."""

    group_id: str
    n_faces: NFaces
    faces: list[FaceSaid] = Field(description="Some of them, the most central first.")

    @classmethod
    def of(cls, view: GroupView, personas: dict[str, Persona]) -> UnknownGroup:
        faces = [FaceSaid.view(face, personas) for face in view.faces]
        return cls(group_id=view.group_id, n_faces=view.n_faces, faces=faces)


class GroupFaces(Page[FaceSaid]):
    """Faces of a group, the most central first."""

    group_id: str
    n_faces: NFaces


@router.get("", response=Page[UnknownGroup])
def list_groups(request: ApiRequest, response: HttpResponse, part: Part) -> Page[UnknownGroup]:
    """Groups of faces that nobody claims, the largest first. Name one by `POST /labels` or `POST /personas`.

    A cursor goes on in the grouping it began with, though another was made meanwhile; after a day it is not found.
    """
    store = get_store()
    found = unknown_groups(store, cursor=part.cursor, limit=part.limit)
    personas = _personas(store, (face for view in found.items for face in view.faces))
    return page_of(
        Page[UnknownGroup], found, lambda view: UnknownGroup.of(view, personas), request=request, response=response
    )


@router.get("/{group_id}", response=GroupFaces)
def read_group(request: ApiRequest, response: HttpResponse, group_id: GroupId, part: Part) -> GroupFaces:
    """One group, with its faces that nobody claims, in pages.

    A new grouping keeps the id of a group while most of its faces stay together.
    """
    store = get_store()
    view, cursor = unknown_group(store, group_id, cursor=part.cursor, limit=part.limit)
    personas = _personas(store, view.faces)
    if cursor is not None:
        link_next(request, response, cursor)
    return GroupFaces(
        group_id=view.group_id,
        n_faces=view.n_faces,
        items=[FaceSaid.view(face, personas) for face in view.faces],
        next_cursor=cursor,
    )


def _personas(store: Store, faces: Iterable[FaceView]) -> dict[str, Persona]:
    return store.personas_by_id(mentioned(faces))
