"""Labelling: many faces of many personas in one command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from django.utils import timezone
from ninja import Router
from ninja.decorators import decorate_view
from pydantic import Field

from personas.api.answers import Labelled
from personas.api.asking import PERSONA_ID, CommandKey, FaceText, Sent, command_of, key_used
from personas.api.interface import ApiRequest
from personas.entities import DELETED, Event, FaceKey, Verdict
from personas.errors import UnableToLabelError
from personas.permissions import can_label, require
from personas.projection import FACES_LABELLED
from personas.services.labelling import label_groups
from personas.store import get_store

router = Router(tags=["labels"])

#: Faces and personas in one request.
MAX_FACES, MAX_GROUPS = 10_000, 1_000
Groups = Mapping[tuple[str, Verdict], list[FaceKey]]


class Group(Sent):
    """Faces of which the same is said."""

    persona_id: Annotated[str, Field(pattern=PERSONA_ID, description="A persona's id, or `stranger`, `ignored`, …")]
    verdict: Verdict = Verdict.BELONGS
    faces: Annotated[list[FaceText], Field(min_length=1, max_length=MAX_FACES)]


class Labels(Sent):
    """What is said of faces, all of it or nothing."""

    labels: Annotated[list[Group], Field(min_length=1, max_length=MAX_GROUPS)]

    def groups(self) -> Groups:
        """Faces by persona and verdict, each once. Raises UnableToLabelError for what contradicts itself."""
        groups: dict[tuple[str, Verdict], dict[FaceKey, None]] = {}
        said: dict[tuple[str, str], Verdict] = {}
        belongs: dict[str, str] = {}
        for group in self.labels:
            if group.persona_id == DELETED:
                raise UnableToLabelError("A face becomes `deleted` with its picture; delete that, or say `ignored`.")
            for face in group.faces:
                if said.setdefault((face, group.persona_id), group.verdict) is not group.verdict:
                    raise UnableToLabelError(f"Two verdicts were sent of face {face} and one persona; send one.")
                if group.verdict is Verdict.BELONGS and belongs.setdefault(face, group.persona_id) != group.persona_id:
                    raise UnableToLabelError(f"Face {face} was sent as two personas; it can belong to one.")
                groups.setdefault((group.persona_id, group.verdict), {})[FaceKey.parse(face)] = None
        if len(said) > MAX_FACES:
            raise UnableToLabelError(f"One request may hold {MAX_FACES:,} faces; send several.")
        return {each: list(faces) for each, faces in groups.items()}


@router.post("", response=Labelled)
@decorate_view(require(can_label))
def create_labels(request: ApiRequest, sent: Labels, key: CommandKey = None) -> Labelled:
    """Say of faces that they belong to personas, do not, or take back what was said. Needs the labeller role.

    The next version learns from it. `stranger` is nobody we know, `ignored` not worth a name, `not_a_face` no face.
    """
    groups, command_id = sent.groups(), command_of(key)
    actor = request.user.get_username()
    events = label_groups(store=get_store(), groups=groups, actor=actor, at=timezone.now(), command_id=command_id)
    _require_same(events, groups, actor=actor)
    n_faces = len({face for faces in groups.values() for face in faces})
    return Labelled(command_id=command_id, n_faces=n_faces, events=[event.seq for event in events])


def _require_same(events: tuple[Event, ...], groups: Groups, *, actor: str) -> None:
    """A key that was used before answers with what was said then: it must be what is said now."""
    recorded: dict[tuple[str, Verdict], list[FaceKey]] = {}
    for event in events:
        if event.kind == FACES_LABELLED and event.actor == actor:
            said = event.payload["persona_id"], Verdict(event.payload["verdict"])
            recorded.setdefault(said, []).extend(FaceKey(*face) for face in event.payload["faces"])
    if recorded != groups:
        raise key_used()
