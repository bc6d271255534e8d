"""The faces of the whole store that are nearest some embeddings: exact, by looking at every one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from personas.entities import INGEST, FaceKey, FloatArray, ImageStatus, Persona
from personas.selectors.faces import FaceView, mentioned, view_keys
from personas.store.base import Store

#: Faces that a request looks through, about a second's work; in a larger store it looks at none.
SEARCHED_AT_MOST = 200_000
#: Candidates kept a face: some of them are of deleted pictures.
_KEPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A face of the store with what is said of it, and its similarity: the cosine of the embeddings."""

    view: FaceView
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """For each embedding asked about its nearest faces, and the personas that these mention, by id."""

    of: tuple[tuple[Neighbour, ...], ...]
    personas: Mapping[str, Persona]
    n_faces: int  #: in the store
    searched: bool  #: False: the store has more than SEARCHED_AT_MOST


def nearest_faces(store: Store, embeddings: FloatArray, *, embedder: str, limit: int = 8) -> Neighbours:
    """embeddings: float32 (n, 128), L2-normalised, made by that embedder; others' never mix with them."""
    n_faces = store.count_images().get("faces_total", 0)
    if n_faces > SEARCHED_AT_MOST:
        return Neighbours(of=((),) * len(embeddings), personas={}, n_faces=n_faces, searched=False)
    best: list[dict[FaceKey, float]] = [{} for _ in embeddings]
    for block in store.embedding_blocks(after_seq=0, through_seq=store.head(INGEST), embedder=embedder):
        similarities = np.asarray(block.vectors) @ embeddings.T
        for place, found in enumerate(best):
            _keep(found, block.keys, similarities[:, place])
    images = store.images_by_id({key.image_id for found in best for key in found})
    shown = {key for key, image in images.items() if image.status is not ImageStatus.DELETED}
    ranked = [[key for key in _ranked(found) if key.image_id in shown][:limit] for found in best]
    views = {view.face.key: view for view in view_keys(store, sorted({key for keys in ranked for key in keys}))}
    return Neighbours(
        of=tuple(
            tuple(Neighbour(view=views[key], similarity=found[key]) for key in keys if key in views)
            for keys, found in zip(ranked, best, strict=True)
        ),
        personas=store.personas_by_id(mentioned(views.values())),
        n_faces=n_faces,
        searched=True,
    )


def _keep(found: dict[FaceKey, float], keys: Sequence[FaceKey], similarities: FloatArray) -> None:
    """The best _KEPT of what was found and of a block, in place; a face that comes twice counts once."""
    places = np.argsort(-similarities, kind="stable")[:_KEPT].tolist()
    found.update({keys[place]: float(similarities[place]) for place in places})
    for key in _ranked(found)[_KEPT:]:
        del found[key]


def _ranked(found: Mapping[FaceKey, float]) -> list[FaceKey]:
    return sorted(found, key=lambda key: (-found[key], key))
