"""What curators do: merge and delete personas, delete pictures. Each is one command that `undo_command` takes back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from personas.entities import DELETED, NOBODY, FaceKey, ImageStatus, Label, Persona, Verdict
from personas.errors import FaceProjectError, NotFoundError
from personas.projection import (
    COVER_CHOSEN,
    FACES_LABELLED,
    IMAGES_DELETED,
    PERSONA_DELETED,
    PERSONA_MERGED,
    Said,
    labelled_payload,
    persona_payload,
)
from personas.services.commands import Fact, closed, events_of_command, record_by_state
from personas.services.labelling import DELETED_ALREADY, said_of
from personas.services.personas import require_persona
from personas.store.base import MAX_FACES_PER_EVENT, Store
from personas.store.paging import every

#: Labels read at once.
LABELS_AT_ONCE = 5000


class UnableToMergeError(FaceProjectError):
    """Two personas that cannot become one."""


def merge_personas(*, store: Store, persona_id: str, into: str, actor: str, at: datetime, command_id: str) -> Persona:
    """All that was said of a persona is said of another one from now on, and the first one goes.

    A face rejected as the one is rejected as the other too, unless it is labelled with that. Returns the persona that
    remains. Raises NotFoundError, UnableToMergeError, CommandUsedError.
    """
    remaining = require_persona(store, into)
    if persona_id == into:
        raise UnableToMergeError(f"{remaining.name} cannot be merged with itself; pick somebody else.")
    known = events_of_command(store, command_id)
    if closed(known, PERSONA_MERGED, lambda said: _is_of(said, persona_id) and said["into"] == into):
        return remaining
    leaving = require_persona(store, persona_id)
    faces = [label.key for label in _labels(store, persona_id, belongs=True)]
    rejected = [label.key for label in _labels(store, persona_id, belongs=False)]
    before = said_of(store, {*faces, *rejected})
    named = set(faces)
    passed_on = [key for key in rejected if key not in named and before[key].get(into) is not True]
    facts = [
        *_facts(into, faces, Verdict.BELONGS, before),
        *_facts(persona_id, rejected, Verdict.CLEARED, before),
        *_facts(into, passed_on, Verdict.REJECTED, before),
    ]
    payload = {"persona": persona_payload(leaving), "into": into, "n_faces": len(faces)}
    record_by_state(
        store=store,
        command_id=command_id,
        actor=actor,
        at=at,
        facts=facts,
        closing=Fact(PERSONA_MERGED, payload),
        known=max(known, default=0) + 1,
    )
    return remaining


def delete_persona(*, store: Store, persona_id: str, actor: str, at: datetime, command_id: str) -> int:
    """All that was said of a persona is taken back, and the persona goes; its faces are unlabelled again.

    Returns how many faces were labelled with it. Raises NotFoundError, CommandUsedError.
    """
    known = events_of_command(store, command_id)
    if done := closed(known, PERSONA_DELETED, lambda said: _is_of(said, persona_id)):
        return int(done.payload["n_faces"])
    persona = require_persona(store, persona_id)
    faces = [label.key for label in _labels(store, persona_id, belongs=True)]
    spoken_of = [*faces, *(label.key for label in _labels(store, persona_id, belongs=False))]
    record_by_state(
        store=store,
        command_id=command_id,
        actor=actor,
        at=at,
        facts=list(_facts(persona_id, spoken_of, Verdict.CLEARED, said_of(store, spoken_of))),
        closing=Fact(PERSONA_DELETED, {"persona": persona_payload(persona), "n_faces": len(faces)}),
        known=max(known, default=0) + 1,
    )
    return len(faces)


def delete_images(*, store: Store, image_ids: Collection[str], actor: str, at: datetime, command_id: str) -> int:
    """Pictures are shown no more, and their faces are asked about, predicted and learnt no more.

    Nothing is erased, so that it can be undone. Returns how many pictures are deleted. Raises NotFoundError (also where
    all are deleted already), CommandUsedError.
    """
    known = events_of_command(store, command_id)
    if done := closed(known, IMAGES_DELETED, lambda said: set(said["images"]) <= set(image_ids)):
        return len(done.payload["images"])
    images = store.images_by_id(image_ids)
    if missing := set(image_ids) - images.keys():
        raise NotFoundError(f"{len(missing)} of {len(image_ids)} pictures do not exist (any more). Reload the page.")
    deleted = sorted(key for key, image in images.items() if image.status is not ImageStatus.DELETED)
    if not deleted and not known:
        raise NotFoundError(DELETED_ALREADY)
    faces = [face.key for found in store.faces_of(deleted).values() for face in found]
    before = said_of(store, faces)
    record_by_state(
        store=store,
        command_id=command_id,
        actor=actor,
        at=at,
        facts=[*_facts(DELETED, faces, Verdict.BELONGS, before), *_covers_gone(store, set(faces), before)],
        closing=Fact(IMAGES_DELETED, {"images": deleted}),
        known=max(known, default=0) + 1,
    )
    return len(deleted)


def _is_of(payload: Mapping[str, Any], persona_id: str) -> bool:
    return bool(payload["persona"]["persona_id"] == persona_id)


def _covers_gone(store: Store, faces: Collection[FaceKey], before: Said) -> Iterator[Fact]:
    """Personas whose chosen cover is among labelled faces that go: the product picks one again."""
    labelled = {persona_id for said in before.values() for persona_id in said} - NOBODY.keys()
    for persona_id, persona in sorted(store.personas_by_id(labelled).items()):
        if persona.cover in faces and persona.cover is not None:
            yield Fact(COVER_CHOSEN, {"persona_id": persona_id, "cover": None, "before": list(persona.cover)})


def _labels(store: Store, persona_id: str, *, belongs: bool) -> Iterator[Label]:
    return every(
        lambda cursor: store.labels_of_persona(persona_id, belongs=belongs, cursor=cursor, limit=LABELS_AT_ONCE)
    )


def _facts(persona_id: str, faces: list[FaceKey], verdict: Verdict, before: Said) -> Iterator[Fact]:
    for start in range(0, len(faces), MAX_FACES_PER_EVENT):
        part = faces[start : start + MAX_FACES_PER_EVENT]
        yield Fact(FACES_LABELLED, labelled_payload(persona_id, part, verdict, before))
