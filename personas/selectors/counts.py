"""How many faces the champion names a persona, less those that people settled since: exact, and kept up by the log."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from personas.entities import LABELS, Event, FaceKey, Label, ModelVersion
from personas.projection import FACES_LABELLED
from personas.selectors.faces import predict_faces
from personas.store.base import Store

#: Label events read at a time.
EVENTS_AT_ONCE = 500


def is_settled(labels: tuple[Label, ...], persona_id: str) -> bool:
    """A human named the face, or said it is not this persona: either way it is no prediction any more."""
    return any(label.belongs or label.persona_id == persona_id for label in labels)


def predicted_counts(store: Store) -> dict[str, int]:
    """Faces predicted a persona: what the champion's rows hold, less what humans settled after they were written."""
    champion = store.champion()
    version = store.model_version(champion.version) if champion else None
    if champion is None or version is None:
        return {}
    counts = dict(store.ranked_counts(version.version))
    for persona_id, n_settled in _settled_since(store, version, revision=champion.revision).items():
        if persona_id in counts:
            counts[persona_id] = max(counts[persona_id] - n_settled, 0)
    return counts


@dataclass(slots=True)
class _Follower:
    """Follows the label events after one publication, so that each event is looked at once a process."""

    publication: tuple[int, str, int, int]  #: version, its artefact, what its pages leave out, champion's revision
    said_through: int
    seq: int
    last_event_id: str = ""
    predicted: dict[FaceKey, str | None] = field(default_factory=dict)  #: whose rows hold a face people spoke of
    settled: dict[FaceKey, str] = field(default_factory=dict)

    def catch_up(self, store: Store) -> bool:
        """False when the log is not the one followed so far (another database)."""
        events: Sequence[Event] = store.events(LABELS, after=max(self.seq - 1, 0), limit=EVENTS_AT_ONCE)
        if self.last_event_id:
            if not events or events[0].event_id != self.last_event_id:
                return False
            events = events[1:]
        else:
            events = [event for event in events if event.seq > self.seq]
        while events:
            self._look_at(store, events)
            self.seq, self.last_event_id = events[-1].seq, events[-1].event_id
            events = store.events(LABELS, after=self.seq, limit=EVENTS_AT_ONCE)
        return True

    def _look_at(self, store: Store, events: Sequence[Event]) -> None:
        touched = {FaceKey(*key) for event in events if event.kind == FACES_LABELLED for key in event.payload["faces"]}
        if not touched:
            return
        labels = store.labels_of_images({key.image_id for key in touched})
        before = {key: tuple(label for label in said if label.seq <= self.said_through) for key, said in labels.items()}
        new = sorted(touched - self.predicted.keys())
        said = predict_faces(store, new, labels=before)
        self.predicted.update({key: said[key].persona_id if key in said else None for key in new})
        for key in touched:
            persona_id = self.predicted[key]
            if persona_id and is_settled(labels.get(key, ()), persona_id):
                self.settled[key] = persona_id
            else:
                self.settled.pop(key, None)


_follower: _Follower | None = None
_lock = threading.Lock()


def _settled_since(store: Store, version: ModelVersion, *, revision: int) -> Counter[str]:
    global _follower
    publication = (version.version, version.artefact, version.said_through, revision)
    with _lock:
        current = _follower
        if current is None or current.publication != publication or not current.catch_up(store):
            current = _Follower(publication, version.said_through, version.said_through)
            current.catch_up(store)
        _follower = current
        return Counter(current.settled.values())
