"""Who is in a picture that is not taken in: its faces live in memory for one request, and nothing of it is kept."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ingest.extractors import WAIT_SECONDS, ExtractorPool
from ingest.vision import ExtractedFace, decode
from ingest.vision.pictures import cut_square
from personas.entities import FaceKey, FloatArray, Persona, Prediction
from personas.recogniser import Recogniser, current_recogniser
from personas.selectors.nearest import Neighbour, nearest_faces
from personas.selectors.why import Resemblance, resembling
from personas.store.base import Store

#: Faces of a picture that are looked for, the largest; each costs a look at every face of the store.
FACES_AT_MOST = 10
#: Personas shown a face, and the least probability that is worth showing.
CANDIDATES, LEAST = 3, 0.01
#: Side of a crop that is sent back within the page, pixels.
CROP = 192
#: Stands for the picture where the champion wants a face to have a key.
_NOWHERE = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Who a face may be, how probably, and the labelled faces that speak for it."""

    persona: Persona
    probability: float
    nearest: tuple[Resemblance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFace:
    """A face of the picture. crop: a JPEG as a data URL. named: the persona the champion names, if any."""

    crop: str
    named: Persona | None
    candidates: tuple[Candidate, ...]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of a picture's faces, the largest first.

    version: who named them; None: there is none that can be asked. searched: the faces of the whole store were looked
    at for the nearest.
    """

    faces: tuple[FoundFace, ...]
    n_faces: int
    version: int | None
    searched: bool
    personas: Mapping[str, Persona]


def find_people(*, store: Store, extractors: ExtractorPool, content: bytes) -> Found:
    """Reads only. Raises PictureError, ExtractorsBusyError."""
    with extractors.borrowed(seconds=WAIT_SECONDS) as extractor:
        every = extractor.extract(content).faces
        faces = sorted(every, key=lambda face: -face.box[2] * face.box[3])[:FACES_AT_MOST]
        crops = _crops(content, faces, max_pixels=extractor.max_pixels) if faces else []
    if not faces:
        return Found(faces=(), n_faces=0, version=None, searched=True, personas={})
    embeddings = np.stack([face.embedding for face in faces])
    embedder = extractors.tags.embedder
    recogniser = current_recogniser()
    if recogniser is not None and recogniser.embedder != embedder:
        recogniser = None  # its vectors and these never mix
    said = _predict(recogniser, embeddings)
    candidates = _candidates(store, said, embeddings, embedder=embedder)
    near = nearest_faces(store, embeddings, embedder=embedder)
    named = store.personas_by_id({each.persona_id for each in said if each.persona_id})
    return Found(
        faces=tuple(
            FoundFace(
                crop=crop,
                named=named.get(each.persona_id or ""),
                candidates=tuple(candidates[place]),
                neighbours=near.of[place],
            )
            for place, (crop, each) in enumerate(zip(crops, said, strict=True))
        ),
        n_faces=len(every),
        version=recogniser.version if recogniser else None,
        searched=near.searched,
        personas=near.personas,
    )


def _crops(content: bytes, faces: list[ExtractedFace], *, max_pixels: int) -> list[str]:
    picture = decode(content, max_pixels=max_pixels)
    jpegs = [cut_square(picture, face.box, size=CROP) for face in faces]
    return [f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" for jpeg in jpegs]


def _predict(recogniser: Recogniser | None, embeddings: FloatArray) -> list[Prediction]:
    keys = [FaceKey(_NOWHERE, number) for number in range(len(embeddings))]
    if recogniser is None:
        return [Prediction(key=key, persona_id=None, probability=None, version=0) for key in keys]
    return recogniser.predict(keys, embeddings, rejected={}, n_candidates=CANDIDATES)


def _candidates(
    store: Store, said: list[Prediction], embeddings: FloatArray, *, embedder: str
) -> list[list[Candidate]]:
    """Of each face; the labelled faces of a persona are read once, for all faces that may be theirs."""
    wanted = [[(persona_id, p) for persona_id, p in each.candidates if p >= LEAST] for each in said]
    personas = store.personas_by_id({persona_id for each in wanted for persona_id, _ in each})
    nearest = {
        persona_id: resembling(store, persona_id, embeddings, embedder=embedder) for persona_id in sorted(personas)
    }
    return [
        [
            Candidate(persona=personas[persona_id], probability=probability, nearest=nearest[persona_id][place])
            for persona_id, probability in each
            if persona_id in personas
        ]
        for place, each in enumerate(wanted)
    ]
