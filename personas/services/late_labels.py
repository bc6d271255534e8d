"""What was recorded of a persona in the very moment of its merge: said of its heir, and brought back with the persona.

Such an event lies behind the merge in the log and names the persona that went (`personas.store.inheriting`). Whose
label it left is told by the label, which bears the event's number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from personas.entities import LABELS, Event, FaceKey, Verdict
from personas.projection import FACES_LABELLED, PERSONA_ADDED, PERSONA_MERGED, labelled_faces
from personas.store.base import Store

#: How long after a merge somebody may still record what they began to say before it; requests end long before.
LATE = timedelta(minutes=10)
#: Events read at once.
EVENTS_AT_ONCE = 200


def late_labels(store: Store, events: Sequence[Event]) -> list[Event]:
    """Labellings and rejections recorded of personas just after these events merged them, in the log's order."""
    return [late for event in events if event.kind == PERSONA_MERGED for late in _behind(store, event)]


def written_by(store: Store, events: Sequence[Event]) -> Mapping[tuple[FaceKey, int], str]:
    """Of whom each face and event was said, where that still stands: by face and the event's number."""
    images = {key.image_id for event in events for key in labelled_faces(event.payload)}
    numbers = {event.seq for event in events}
    return {
        (key, label.seq): label.persona_id
        for key, labels in store.labels_of_images(images).items()
        for label in labels
        if label.seq in numbers
    }


def _behind(store: Store, merge: Event) -> Iterator[Event]:
    persona_id = merge.payload["persona"]["persona_id"]
    for event in _from(store, merge.seq):
        if event.at > merge.at + LATE or (event.kind == PERSONA_ADDED and event.payload["persona_id"] == persona_id):
            return
        named = event.kind == FACES_LABELLED and event.payload["persona_id"] == persona_id
        if named and event.payload["verdict"] != Verdict.CLEARED:
            yield event


def _from(store: Store, seq: int) -> Iterator[Event]:
    while events := store.events(LABELS, after=seq, limit=EVENTS_AT_ONCE):
        yield from events
        seq = events[-1].seq
