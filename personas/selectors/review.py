"""The review queue: what to ask a person next, and everything the page that asks shows.

The order is worked out once for a champion and its pages (see `personas.asking`), and kept by the process; what people
said since is overlaid on read. Only so many faces are looked at: the review lists of so many personas, the largest
groups of unknown people, and a stretch of all faces, which holds them all in a small store and moves on with each
version in a large one.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personas.asking import WORTH_ASKING, Pending, questions
from personas.entities import (
    INGEST,
    LABELS,
    Face,
    FaceKey,
    FloatArray,
    Image,
    Label,
    Persona,
    Prediction,
    RankedFace,
    RankedKind,
)
from personas.errors import NotFoundError
from personas.recogniser import Recogniser, current_recogniser
from personas.selectors.faces import faces_by_key, predict_faces, rejections
from personas.selectors.gallery import all_personas, covers_of
from personas.selectors.groups import groups_state, latest_groups
from personas.store.base import Store, rank_of

#: Personas whose review lists are read, and faces taken from all of them together.
PERSONAS_READ, FACES_READ = 400, 2000
#: Groups of unknown people looked at, and faces of each: the most central ones.
GROUPS_READ, FACES_OF_A_GROUP = 100, 12
#: Faces looked at besides: a face under the cut-off is on no list, and before grouping ran, nobody unknown is.
FACES_LOOKED_AT = 3000
#: Questions that one version is good for.
QUESTIONS_KEPT = 200
#: Questions whose labels are read at once.
QUESTIONS_AT_ONCE = 40
#: Personas offered as answers: as many as there are digit keys.
CHOICES = 9
#: So many are offered however improbable they are: a look that no label shows is likely nobody's, says a version.
ALWAYS_OFFERED = 4
#: Others less probable than this are not offered, and nobody less probable than that is asked after.
LEAST_OFFERED, LEAST_ASKED_AFTER = 0.01, 0.05
#: From so many questions on, nobody counts.
MANY = 99


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A persona who may be the answer, with a labelled face to compare with."""

    persona: Persona
    probability: float
    example: Face | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Faces that look like one person, and who that may be."""

    faces: tuple[Face, ...]  #: the first one large
    image: Image  #: of the first face
    choices: tuple[Choice, ...]  #: most probable first

    @property
    def face(self) -> Face:
        return self.faces[0]

    @property
    def suggested(self) -> Choice | None:
        """Who the question asks after; None: it asks who this is."""
        first = next(iter(self.choices), None)
        return first if first and first.probability >= LEAST_ASKED_AFTER else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """The next questions, and how many there are."""

    questions: tuple[Question, ...]
    n_open: int  #: MANY + 1: that many or more


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What a queue was made from; another one is made when it differs."""

    revision: int
    version: int
    artefact: str
    groups: str  #: the edition of the groups of unknown people
    scored_through: int
    picture_event: str  #: tells databases apart


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queue:
    source: _Source
    label_seq: int  #: what was said up to here is in the order
    asked: tuple[tuple[FaceKey, ...], ...]
    cursor: str | None  #: where the next queue looks at faces


_queue: _Queue | None = None
_lock = threading.Lock()


def review(store: Store, *, skipped: Collection[str] = (), limit: int = 1) -> Review:
    """The next questions, without those whose first face is skipped (see `short_key`)."""
    asked = _open_questions(store, skipped)
    return Review(questions=tuple(_with_choices(store, asked[:limit])), n_open=len(asked))


def count_questions(store: Store, *, skipped: Collection[str] = ()) -> int:
    """How many questions there are, MANY + 1 at most: a few reads, once the queue of a version is made."""
    return len(_open_questions(store, skipped))


def short_key(key: FaceKey) -> str:
    """Tells faces of one queue apart, in a cookie."""
    return f"{key.image_id[:10]}.{key.face_no}"


# ---- what people said since ------------------------------------------------------------------------------------------


def _open_questions(store: Store, skipped: Collection[str]) -> list[tuple[FaceKey, ...]]:
    """Questions that are neither answered nor skipped; MANY + 1 at most."""
    queue = _current(store)
    found = _unanswered(store, queue, skipped)
    if not found and queue.asked and store.head(LABELS) > queue.label_seq:
        found = _unanswered(store, _current(store, label_seq=store.head(LABELS)), skipped)
    return found


def _unanswered(store: Store, queue: _Queue, skipped: Collection[str]) -> list[tuple[FaceKey, ...]]:
    """Questions without the faces that people spoke of since the queue was made."""
    found: list[tuple[FaceKey, ...]] = []
    for start in range(0, len(queue.asked), QUESTIONS_AT_ONCE):
        part = queue.asked[start : start + QUESTIONS_AT_ONCE]
        labels = store.labels_of_images({key.image_id for keys in part for key in keys})
        for keys in part:
            left = tuple(key for key in keys if not _spoken_of(labels.get(key, ()), queue.label_seq))
            if left and short_key(left[0]) not in skipped:
                found.append(left)
        if len(found) > MANY:
            break
    return found[: MANY + 1]


def _spoken_of(labels: Sequence[Label], since: int) -> bool:
    """Somebody named the face, or said something of it that no version has learnt yet."""
    return any(label.belongs or label.seq > since for label in labels)


# ---- what a page shows -----------------------------------------------------------------------------------------------


def _with_choices(store: Store, asked: Sequence[tuple[FaceKey, ...]]) -> Iterator[Question]:
    keys = [key for together in asked for key in together]
    faces = faces_by_key(store, keys)
    images = store.images_by_id({together[0].image_id for together in asked})
    labels = store.labels_of_images({together[0].image_id for together in asked})
    said = predict_faces(store, [together[0] for together in asked], labels=labels, n_candidates=CHOICES)
    not_them = rejections(labels)
    offered = {key: _offered(prediction, not_them.get(key, frozenset())) for key, prediction in said.items()}
    personas = store.personas_by_id({persona_id for pairs in offered.values() for persona_id, _ in pairs})
    examples = _examples(store, personas)
    for together in asked:
        present = tuple(faces[key] for key in together if key in faces)
        image = images.get(together[0].image_id)
        if not present or image is None:
            continue
        yield Question(
            faces=present,
            image=image,
            choices=tuple(
                Choice(persona=personas[persona_id], probability=probability, example=examples.get(persona_id))
                for persona_id, probability in offered.get(together[0], ())
                if persona_id in personas
            ),
        )


def _offered(prediction: Prediction, rejected: frozenset[str]) -> list[tuple[str, float]]:
    return [
        (persona_id, chance)
        for place, (persona_id, chance) in enumerate(prediction.candidates)
        if (place < ALWAYS_OFFERED or chance >= LEAST_OFFERED) and persona_id not in rejected
    ]


def _examples(store: Store, personas: Mapping[str, Persona]) -> dict[str, Face]:
    """A labelled face of each, chosen by a human, else the most typical one."""
    covers = covers_of(store, list(personas)) | {
        persona_id: persona.cover for persona_id, persona in personas.items() if persona.cover
    }
    faces = faces_by_key(store, list(covers.values()))
    return {persona_id: faces[key] for persona_id, key in covers.items() if key in faces}


# ---- the order -------------------------------------------------------------------------------------------------------


def _current(store: Store, *, label_seq: int = 0) -> _Queue:
    """The queue of the champion; a thread that finds none makes it, and others wait for it.

    label_seq: what was said up to here has to be in it: all was asked, and no new version came, or it was refused.
    """
    global _queue
    source = _source(store)
    with _lock:
        if _queue is None or _queue.source != source or _queue.label_seq < label_seq:
            _queue = _make(store, source, _goes_on_at(store, _queue))
        return _queue


def _goes_on_at(store: Store, last: _Queue | None) -> str | None:
    """Where the last queue stopped looking at faces, if it was of this store."""
    if last is None or not store.events_by_id(INGEST, [last.source.picture_event]):
        return None
    return last.cursor


def _source(store: Store) -> _Source:
    champion = store.champion()
    version = store.model_version(champion.version) if champion else None
    through = store.fresh_through(version.version) if version else store.head(INGEST)
    events = store.events(INGEST, after=through - 1, limit=1) if through else ()
    return _Source(
        revision=champion.revision if champion else 0,
        version=version.version if version else 0,
        artefact=version.artefact if version else "",
        groups=groups_state(store).edition,
        scored_through=through,
        picture_event=events[0].event_id if events else "",
    )


def _make(store: Store, source: _Source, cursor: str | None) -> _Queue:
    label_seq = store.head(LABELS)  # read first: what is said meanwhile is overlaid
    recogniser = current_recogniser()
    looked_at, following = _looked_at(store, cursor)
    listed = _listed(store, source.version) if source.version else []
    keys = sorted({*looked_at, *(ranked.key for ranked in listed), *_grouped(store)})
    asked = tuple(_in_order(store, keys, recogniser))
    return _Queue(source=source, label_seq=label_seq, asked=asked, cursor=following)


def _looked_at(store: Store, cursor: str | None) -> tuple[list[FaceKey], str | None]:
    try:
        page = store.faces(cursor=cursor, limit=FACES_LOOKED_AT)
    except NotFoundError:  # the store was emptied
        page = store.faces(limit=FACES_LOOKED_AT)
    return [face.key for face in page.items], page.next_cursor


def _grouped(store: Store) -> Iterator[FaceKey]:
    """The most central faces of the largest groups of unknown people."""
    _, groups = latest_groups(store)
    for place in range(min(len(groups), GROUPS_READ)):
        yield from list(groups[place])[:FACES_OF_A_GROUP]


def _listed(store: Store, version: int) -> list[RankedFace]:
    """The most uncertain faces of all personas' review lists, merged by rank.

    Of more personas than are read at once, others are read for each version.
    """
    by_lot = sorted(
        (persona.persona_id for persona in all_personas(store)),
        key=lambda persona_id: zlib.crc32(f"{version} {persona_id}".encode()),
    )
    read = by_lot[:PERSONAS_READ]
    limit = max(FACES_READ // max(len(read), 1), 20)
    lists = store.ranked_of_each(version, read, RankedKind.REVIEW, limit=limit)
    merged = sorted(
        (ranked for listed in lists.values() for ranked in listed),
        key=lambda ranked: (rank_of(RankedKind.REVIEW, ranked.probability), ranked.key),
    )
    return merged[:FACES_READ]


def _in_order(store: Store, keys: Sequence[FaceKey], recogniser: Recogniser | None) -> Iterator[tuple[FaceKey, ...]]:
    labels = store.labels_of_images({key.image_id for key in keys})
    unsettled = [key for key in keys if not any(label.belongs for label in labels.get(key, ()))]
    embeddings = store.embeddings_of(unsettled, embedder=recogniser.embedder if recogniser else None)
    present = [key for key in unsettled if key in embeddings]
    if not present:
        return
    vectors = np.stack([embeddings[key] for key in present])
    pending = _pending(present, vectors, recogniser, labels)
    asked = np.flatnonzero(~pending.named | (pending.openness() >= WORTH_ASKING))
    for rows in questions(pending.take(asked), limit=QUESTIONS_KEPT):
        yield tuple(present[asked[row]] for row in rows)


def _pending(
    keys: Sequence[FaceKey],
    vectors: FloatArray,
    recogniser: Recogniser | None,
    labels: Mapping[FaceKey, tuple[Label, ...]],
) -> Pending:
    said: Sequence[Prediction | None] = [None] * len(keys)
    if recogniser:
        said = recogniser.predict(keys, vectors, rejected=rejections(labels), n_candidates=1)
    firsts = [next(iter(prediction.candidates), None) if prediction else None for prediction in said]
    numbers = {persona_id: number for number, persona_id in enumerate(sorted({first[0] for first in firsts if first}))}
    return Pending(
        vectors=vectors,
        best=np.array([numbers[first[0]] if first else -1 for first in firsts], np.int64),
        probability=np.array([first[1] if first else 0.0 for first in firsts], np.float64),
        named=np.array([bool(prediction and prediction.persona_id) for prediction in said], np.bool_),
    )
