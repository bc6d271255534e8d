"""Taking an action back. Undo is itself a command: it appends events and removes none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from personas.entities import LABELS, Event, FaceKey, NewEvent, Verdict
from personas.errors import FaceProjectError
from personas.services.labelling import labelling_events
from personas.store.base import Store

#: What was said of faces: by face, the personas it was said to belong to (True) or not (False).
Said = Mapping[FaceKey, Mapping[str, bool]]

_STANDS = {Verdict.BELONGS: True, Verdict.REJECTED: False, Verdict.CLEARED: None}

# Clearing first and belonging last: to belong to one persona takes the face from any other.
_ORDER = (Verdict.CLEARED, Verdict.REJECTED, Verdict.BELONGS)


class UnableToUndoError(FaceProjectError):
    """An action that cannot be taken back any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAction:
    """What is to be taken back. seq: of the last label event it made, or of the head at that time."""

    persona_id: str
    verdict: Verdict
    seq: int


def said_of(store: Store, faces: tuple[FaceKey, ...]) -> dict[FaceKey, dict[str, bool]]:
    """What humans say of these faces now; remember it before an action to be able to take the action back."""
    labels = store.labels_of_images({key.image_id for key in faces})
    return {key: {label.persona_id: label.belongs for label in labels.get(key, ())} for key in faces}


def restore_labels(
    *, store: Store, before: Said, action: LabelAction, actor: str, at: datetime, command_id: str
) -> tuple[Event, ...]:
    """Say of these faces again what was said before the action, and nothing else. Nothing to do when that stands again.

    Repeating a command id changes nothing. Raises UnableToUndoError when somebody spoke of the faces after the action.
    """
    said_now = said_of(store, tuple(before))
    if said_now == before:
        return ()
    _require_untouched(store, tuple(before), action)
    changes: dict[tuple[Verdict, str], list[FaceKey]] = defaultdict(list)
    for key, now in said_now.items():
        for persona_id in now.keys() - before[key].keys():
            changes[Verdict.CLEARED, persona_id].append(key)
        for persona_id, belongs in before[key].items():
            if now.get(persona_id) is not belongs:
                changes[Verdict.BELONGS if belongs else Verdict.REJECTED, persona_id].append(key)
    events: list[NewEvent] = []
    for verdict, persona_id in sorted(changes, key=lambda change: (_ORDER.index(change[0]), change[1])):
        faces = changes[verdict, persona_id]
        events += labelling_events(
            persona_id, faces, verdict, actor=actor, at=at, command_id=command_id, first_index=len(events)
        )
    return store.record(LABELS, events) if events else ()


def _require_untouched(store: Store, faces: tuple[FaceKey, ...], action: LabelAction) -> None:
    labels = store.labels_of_images({key.image_id for key in faces})
    for key in faces:
        said = labels.get(key, ())
        stands = next((label.belongs for label in said if label.persona_id == action.persona_id), None)
        if stands is not _STANDS[action.verdict] or any(label.seq > action.seq for label in said):
            raise UnableToUndoError(
                "Something else was said of this meanwhile, so it was not undone. Reload the page to see how it stands."
            )
