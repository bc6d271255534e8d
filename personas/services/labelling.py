"""Labelling faces: what a human says, recorded as events and visible to its author at once."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from personas.entities import DELETED, NOBODY, Event, FaceKey, ImageStatus, NewEvent, Verdict
from personas.errors import NotFoundError, UnableToLabelError
from personas.projection import FACES_LABELLED, Said, as_said, labelled_payload
from personas.services.commands import Fact, record_once
from personas.store.base import MAX_FACES_PER_EVENT, Store

#: What somebody is told who speaks of a picture, or of its faces, that was deleted.
DELETED_ALREADY = "This picture was deleted. A curator can bring it back from the deleted pictures."


def new_command_id() -> str:
    """An id for one user command, however many events it makes."""
    return str(uuid.uuid4())


def label_faces(
    *,
    store: Store,
    persona_id: str,
    faces: Sequence[FaceKey],
    verdict: Verdict,
    actor: str,
    at: datetime,
    command_id: str,
) -> tuple[Event, ...]:
    """Say of faces that they belong to a persona (or to one of NOBODY), do not, or take back what was said.

    Repeating a command id changes nothing. Raises NotFoundError (persona or face), UnableToLabelError (nothing named),
    CommandUsedError.
    """
    return label_groups(store=store, groups={(persona_id, verdict): faces}, actor=actor, at=at, command_id=command_id)


def label_groups(
    *,
    store: Store,
    groups: Mapping[tuple[str, Verdict], Sequence[FaceKey]],
    actor: str,
    at: datetime,
    command_id: str,
) -> tuple[Event, ...]:
    """As `label_faces`, of several personas in one command. groups: faces by persona and verdict."""
    unique = {said: tuple(dict.fromkeys(faces)) for said, faces in groups.items() if faces}
    if not unique:
        raise UnableToLabelError("No face was named; pick at least one.")
    if any(verdict is Verdict.REJECTED and persona_id in NOBODY for persona_id, verdict in unique):
        raise UnableToLabelError("Only a person can be rejected; name the person, or take the label back.")
    wanted = {persona_id for persona_id, _ in unique} - NOBODY.keys()
    if missing := wanted - store.personas_by_id(wanted).keys():
        raise NotFoundError(f"There is no persona {min(missing)}; it may have been deleted. Reload the page.")
    keys = [key for faces in unique.values() for key in faces]
    require_faces(store, keys)
    before = said_of(store, keys)
    require_shown(store, before)
    facts = [
        fact
        for (persona_id, verdict), faces in sorted(unique.items())
        for fact in labelling_facts(persona_id, faces, verdict, before)
    ]
    return record_once(store=store, command_id=command_id, actor=actor, at=at, facts=facts)


def labelling_facts(persona_id: str, faces: Sequence[FaceKey], verdict: Verdict, before: Said) -> Iterator[Fact]:
    """What one labelling says, split so that no event grows beyond what a store row holds.

    before: what is said of the faces now, see `said_of`.
    """
    for start in range(0, len(faces), MAX_FACES_PER_EVENT):
        part = faces[start : start + MAX_FACES_PER_EVENT]
        yield Fact(FACES_LABELLED, labelled_payload(persona_id, part, verdict, before))


def labelling_events(
    persona_id: str,
    faces: Sequence[FaceKey],
    verdict: Verdict,
    *,
    before: Said,
    actor: str,
    at: datetime,
    command_id: str,
    first_index: int = 0,
) -> list[NewEvent]:
    """The events of one labelling among others of a command; see `labelling_facts`."""
    facts = labelling_facts(persona_id, faces, verdict, before)
    return [
        NewEvent(kind=fact.kind, actor=actor, at=at, command_id=command_id, index=index, payload=fact.payload)
        for index, fact in enumerate(facts, start=first_index)
    ]


def said_of(store: Store, faces: Collection[FaceKey]) -> dict[FaceKey, dict[str, bool]]:
    """What humans say of these faces now; faces of which nothing is said are left out."""
    wanted = set(faces)
    labels = store.labels_of_images({key.image_id for key in wanted})
    return as_said({key: said for key, said in labels.items() if key in wanted})


def require_shown(store: Store, said: Said) -> None:
    """Of a face whose picture was deleted nothing is said until the picture is back. Raises NotFoundError.

    The picture decides, not what is said of the face: a deletion that was cut short leaves pictures that are shown.
    """
    suspects = {key.image_id for key, of_face in said.items() if DELETED in of_face}
    if any(image.status is ImageStatus.DELETED for image in store.images_by_id(suspects).values()):
        raise NotFoundError(DELETED_ALREADY)


def require_faces(store: Store, keys: Sequence[FaceKey]) -> None:
    known = {face.key for faces in store.faces_of({key.image_id for key in keys}).values() for face in faces}
    missing = [key for key in keys if key not in known]
    if missing:
        raise NotFoundError(f"{len(missing)} of {len(keys)} faces do not exist (any more), first {missing[0]}.")
