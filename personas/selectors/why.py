"""Why a face is taken for a persona: the labelled faces of that persona which it resembles most."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from personas.entities import Face, FaceKey, FloatArray, Persona
from personas.errors import NotFoundError
from personas.recogniser import current_recogniser
from personas.selectors.faces import faces_by_key, shown_image
from personas.services.personas import require_persona
from personas.store.base import Store

#: Labelled faces of a persona that are compared, the first by key: one read of a megabyte of vectors.
COMPARED_AT_MOST = 2000
#: Faces shown as the reason.
NEAREST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Resemblance:
    """A labelled face, and how much it resembles the one in question."""

    face: Face
    similarity: float  #: cosine of the embeddings, -1..1


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The nearest labelled faces of a persona, the most similar first."""

    face: Face
    persona: Persona
    nearest: tuple[Resemblance, ...]
    n_compared: int
    is_cut: bool  #: the persona has more labelled faces than were compared


def explain(store: Store, key: FaceKey, persona_id: str) -> Explanation:
    """The labelled faces that explain why a face is, or is not, taken for a persona. Raises NotFoundError."""
    persona = require_persona(store, persona_id)
    shown_image(store, key.image_id)
    face = faces_by_key(store, [key]).get(key)
    if face is None:
        raise NotFoundError("There is no such face; its picture may have been deleted.")
    recogniser = current_recogniser()
    embedder = recogniser.embedder if recogniser else face.embedder
    embedding = store.embeddings_of([key], embedder=embedder).get(key)
    nearest, n_compared, is_cut = _compare(store, persona_id, embedding, embedder=embedder, besides={key})
    return Explanation(face=face, persona=persona, nearest=nearest, n_compared=n_compared, is_cut=is_cut)


def resembling(store: Store, persona_id: str, embedding: FloatArray, *, embedder: str) -> tuple[Resemblance, ...]:
    """The labelled faces of a persona that are nearest an embedding, float32 (128,), L2-normalised."""
    return _compare(store, persona_id, embedding, embedder=embedder)[0]


def _compare(
    store: Store, persona_id: str, embedding: FloatArray | None, *, embedder: str, besides: Collection[FaceKey] = ()
) -> tuple[tuple[Resemblance, ...], int, bool]:
    labels = store.labels_of_persona(persona_id, belongs=True, limit=COMPARED_AT_MOST)
    is_cut = labels.next_cursor is not None
    keys = [label.key for label in labels.items if label.key not in besides]
    known = store.embeddings_of(keys, embedder=embedder) if embedding is not None else {}
    if embedding is None or not known:
        return (), 0, is_cut
    compared = [key for key in keys if key in known]
    similarities = np.stack([known[key] for key in compared]) @ embedding
    places = np.argsort(-similarities, kind="stable")[:NEAREST].tolist()
    faces = faces_by_key(store, [compared[place] for place in places])
    nearest = tuple(
        Resemblance(face=faces[compared[place]], similarity=float(similarities[place]))
        for place in places
        if compared[place] in faces
    )
    return nearest, len(compared), is_cut
