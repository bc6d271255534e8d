"""Why a face is taken for a persona: the labelled faces of that persona which it resembles most."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from personas.entities import NOBODY, Face, FaceKey, FloatArray, Persona
from personas.errors import NotFoundError
from personas.recogniser import current_recogniser
from personas.selectors.faces import faces_by_key, shown_image, view_keys
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


def explain(store: Store, key: FaceKey, persona_id: str = "") -> Explanation:
    """The labelled faces that explain why a face is, or is not, taken for a persona.

    persona_id: "" means whom the face is labelled, or else predicted to be. Raises NotFoundError, also where that is
    nobody.
    """
    shown_image(store, key.image_id)
    view = next(iter(view_keys(store, [key])), None)
    if view is None:
        raise NotFoundError("There is no such face; its picture may have been deleted.")
    face, said = view.face, view.label or view.prediction
    meant = persona_id or (said and said.persona_id)
    if not meant or meant in NOBODY:
        raise NotFoundError("This face is taken for nobody, so there is nothing to explain. Name it on its picture.")
    persona = require_persona(store, meant)
    recogniser = current_recogniser()
    embedder = recogniser.embedder if recogniser else face.embedder
    embedding = store.embeddings_of([key], embedder=embedder).get(key)
    keys, vectors, is_cut = _labelled(store, persona.persona_id, embedder=embedder, besides={key})
    if embedding is None or not keys:
        return Explanation(face=face, persona=persona, nearest=(), n_compared=0, is_cut=is_cut)
    nearest = _nearest(store, keys, vectors @ embedding)
    return Explanation(face=face, persona=persona, nearest=nearest, n_compared=len(keys), is_cut=is_cut)


def resembling(
    store: Store, persona_id: str, embeddings: FloatArray, *, embedder: str
) -> list[tuple[Resemblance, ...]]:
    """For each of embeddings, float32 (n, 128), L2-normalised, the nearest labelled faces of a persona; read once."""
    keys, vectors, _ = _labelled(store, persona_id, embedder=embedder)
    if not keys:
        return [()] * len(embeddings)
    return [_nearest(store, keys, vectors @ embedding) for embedding in embeddings]


def _labelled(
    store: Store, persona_id: str, *, embedder: str, besides: Collection[FaceKey] = ()
) -> tuple[list[FaceKey], FloatArray, bool]:
    """Labelled faces with their embeddings, float32 (n, 128), and whether there are more than are compared."""
    labels = store.labels_of_persona(persona_id, belongs=True, limit=COMPARED_AT_MOST)
    keys = [label.key for label in labels.items if label.key not in besides]
    known = store.embeddings_of(keys, embedder=embedder)
    keys = [key for key in keys if key in known]
    vectors = np.array([known[key] for key in keys], np.float32)
    return keys, vectors, labels.next_cursor is not None


def _nearest(store: Store, keys: Sequence[FaceKey], similarities: FloatArray) -> tuple[Resemblance, ...]:
    places = np.argsort(-similarities, kind="stable")[:NEAREST].tolist()
    faces = faces_by_key(store, [keys[place] for place in places])
    return tuple(
        Resemblance(face=faces[keys[place]], similarity=float(similarities[place]))
        for place in places
        if keys[place] in faces
    )
