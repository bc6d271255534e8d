"""What curators do: merge and delete personas, delete pictures. Each is one command that `undo_command` takes back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from personas.entities import DELETED, NOBODY, Event, FaceKey, ImageStatus, Label, Persona, Verdict
from personas.errors import FaceProjectError, NotFoundError
from personas.projection import (
    COVER_CHOSEN,
    IMAGES_DELETED,
    PERSONA_DELETED,
    PERSONA_MERGED,
    Said,
    persona_payload,
)
from personas.services.commands import Fact, closed, events_of_command, record_by_state
from personas.services.cut_short import require_settled
from personas.services.labelling import DELETED_ALREADY, labelling_facts, said_of
from personas.services.personas import require_persona
from personas.store.base import Store
from personas.store.paging import every

# Each begins with `require_settled`: an event that is in the log, but not projected yet, must be seen by what is worked
# out from how things stand, and half of another command must not.

#: Labels read at once.
LABELS_AT_ONCE = 5000


class UnableToMergeError(FaceProjectError):
    """Two personas that cannot become one."""


def merge_personas(*, store: Store, persona_id: str, into: str, actor: str, at: datetime, command_id: str) -> Persona:
    """All that was said of a persona is said of another one from now on, and the first one goes.

    A face rejected as the one is rejected as the other too, unless it is labelled with that. Returns the persona that
    remains. Raises NotFoundError, UnableToMergeError, CommandUsedError, CommandCutShortError, and TransientError while
    another command about one of them is open.
    """
    require_settled(store=store, now=at, command_id=command_id, personas={persona_id, into})
    remaining = require_persona(store, into)
    if persona_id == into:
        raise UnableToMergeError(f"{remaining.name} cannot be merged with itself; pick somebody else.")
    known = events_of_command(store, command_id)
    done = closed(known, PERSONA_MERGED, lambda said: _is_of(said, persona_id) and said["into"] == into)
    facts: Sequence[Fact] = ()
    if done:
        closing = Fact(done.kind, done.payload)
    else:
        leaving = require_persona(store, persona_id)
        facts, n_faces = _merge(store, persona_id, into)
        n_faces += sum(len(event.payload["faces"]) for event in known.values() if _is_belonging(event, into))
        closing = Fact(PERSONA_MERGED, {"persona": persona_payload(leaving), "into": into, "n_faces": n_faces})
    _record(store, known, facts, closing, lambda: _merge(store, persona_id, into)[0], actor, at, command_id)
    return remaining


def _merge(store: Store, persona_id: str, into: str) -> tuple[list[Fact], int]:
    """What moves all that is said of a persona to another one, and how many faces it labels.

    A rejection is passed on before it is taken back: a kill in between must not lose it.
    """
    faces = [label.key for label in _labels(store, persona_id, belongs=True)]
    rejected = [label.key for label in _labels(store, persona_id, belongs=False)]
    before = said_of(store, {*faces, *rejected})
    named = set(faces)
    passed_on = [key for key in rejected if key not in named and before[key].get(into) is not True]
    facts = [
        *labelling_facts(into, faces, Verdict.BELONGS, before),
        *labelling_facts(into, passed_on, Verdict.REJECTED, before),
        *labelling_facts(persona_id, rejected, Verdict.CLEARED, before),
    ]
    return facts, len(faces)


def delete_persona(*, store: Store, persona_id: str, actor: str, at: datetime, command_id: str) -> int:
    """All that was said of a persona is taken back, and the persona goes; its faces are unlabelled again.

    Returns how many faces were labelled with it. Raises NotFoundError, CommandUsedError.
    """
    require_settled(store=store, now=at, command_id=command_id, personas={persona_id})
    known = events_of_command(store, command_id)
    done = closed(known, PERSONA_DELETED, lambda said: _is_of(said, persona_id))
    facts: Sequence[Fact] = ()
    if done:
        closing = Fact(done.kind, done.payload)
    else:
        persona = require_persona(store, persona_id)
        facts, n_faces = _free(store, persona_id)
        n_faces += sum(len(event.payload["faces"]) for event in known.values())
        closing = Fact(PERSONA_DELETED, {"persona": persona_payload(persona), "n_faces": n_faces})
    _record(store, known, facts, closing, lambda: _free(store, persona_id)[0], actor, at, command_id)
    return int(closing.payload["n_faces"])


def _free(store: Store, persona_id: str) -> tuple[list[Fact], int]:
    """What takes back all that is said of a persona, and how many faces it labels."""
    faces = [label.key for label in _labels(store, persona_id, belongs=True)]
    spoken_of = [*faces, *(label.key for label in _labels(store, persona_id, belongs=False))]
    return list(labelling_facts(persona_id, spoken_of, Verdict.CLEARED, said_of(store, spoken_of))), len(faces)


def _record(
    store: Store,
    known: Mapping[int, Event],
    facts: Sequence[Fact],
    closing: Fact,
    left: Callable[[], Sequence[Fact]],
    actor: str,
    at: datetime,
    command_id: str,
) -> None:
    """Record a command that removes a persona, and then what others said of it while that was being worked out.

    One look is enough: what is recorded once the persona is gone is said of its heir (`personas.store.inheriting`).
    A command that is closed already is looked after as well, for a kill may have come before the look.
    """
    record = partial(record_by_state, store=store, command_id=command_id, actor=actor, at=at, closing=closing)
    following = max(known, default=0) + 1
    record(facts=facts, known=following)
    taken_back = store.personas_by_id([closing.payload["persona"]["persona_id"]])
    if not taken_back and (late := left()):
        record(facts=late, known=following + len(facts))


def delete_images(*, store: Store, image_ids: Collection[str], actor: str, at: datetime, command_id: str) -> int:
    """Pictures are shown no more, and their faces are asked about, predicted and learnt no more.

    Nothing is erased, so that it can be undone. Returns how many pictures are deleted. Raises NotFoundError (also where
    all are deleted already), CommandUsedError.
    """
    require_settled(store=store, now=at, command_id=command_id, images=image_ids)
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
    facts = [*labelling_facts(DELETED, faces, Verdict.BELONGS, before), *_covers_gone(store, set(faces), before)]
    following = max(known, default=0) + 1
    closing = Fact(IMAGES_DELETED, {"images": deleted})
    record = partial(record_by_state, store=store, command_id=command_id, actor=actor, at=at, closing=closing)
    record(facts=facts, known=following)
    if found := _found_since(store, deleted, faces):  # from now on nothing is added to the pictures
        late = list(labelling_facts(DELETED, found, Verdict.BELONGS, said_of(store, found)))
        record(facts=late, known=following + len(facts))
    return len(deleted)


def _found_since(store: Store, image_ids: Collection[str], faces: Collection[FaceKey]) -> list[FaceKey]:
    """Faces that an extraction added to these pictures while they were being deleted."""
    return sorted({face.key for found in store.faces_of(image_ids).values() for face in found} - set(faces))


def _is_belonging(event: Event, persona_id: str) -> bool:
    payload = event.payload
    return bool(payload["persona_id"] == persona_id and payload["verdict"] == Verdict.BELONGS)


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
