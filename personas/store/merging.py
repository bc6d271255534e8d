"""What extraction adds to a picture that may be known already. Pure; both stores write what `merge` says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from personas.entities import HUMAN, ExtractedImage, Face, FloatArray, Image, ImageStatus, NewFace
from personas.matching import match_boxes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownPicture:
    """A picture as it stands, and which of its faces have to be written to make it so."""

    image: Image
    embedder: str  #: of the last extraction
    faces: tuple[Face, ...]  #: by number; numbers are 0, 1, 2, …
    changed: bool = False  #: the image row differs from the stored one
    is_new: bool = False
    embeddings: dict[int, FloatArray] = field(default_factory=dict)  #: face_no -> vector, for faces to be written


def merge(known: KnownPicture | None, extracted: ExtractedImage) -> KnownPicture:
    """The picture after an extraction.

    A new detection that overlaps an old box is that face: box and number stay, so no label moves, and only another
    embedder's vector is taken over. Detections that match nothing are appended; faces that were not found again stay.
    What a person drew is added to the last extraction, and is none itself.
    """
    if known is None:
        return _first(extracted)
    if extracted.image.detector == HUMAN:
        return _with_drawn(known, extracted)
    if (known.image.detector, known.embedder) == (extracted.image.detector, extracted.embedder):
        return known
    faces, embeddings = list(known.faces), dict(known.embeddings)
    old_boxes = [face.box for face in faces]
    matches = match_boxes(old_boxes, [found.box for found in extracted.faces])
    for found, number in zip(extracted.faces, matches, strict=True):
        if number is None:
            faces.append(_face(extracted, found, len(faces)))
            embeddings[len(faces) - 1] = found.embedding
        elif faces[number].embedder != extracted.embedder:
            faces[number] = replace(faces[number], embedder=extracted.embedder)
            embeddings[number] = found.embedding
    image = replace(
        known.image,
        detector=extracted.image.detector,
        n_faces=len(faces),
        status=ImageStatus.FACES if faces else ImageStatus.NO_FACE,
    )
    return KnownPicture(
        image=image,
        embedder=extracted.embedder,
        faces=tuple(faces),
        changed=True,
        is_new=known.is_new,
        embeddings=embeddings,
    )


def _with_drawn(known: KnownPicture, extracted: ExtractedImage) -> KnownPicture:
    """The picture's own detector and embedder stay: they say what has looked at the whole of it."""
    faces, embeddings = list(known.faces), dict(known.embeddings)
    matches = match_boxes([face.box for face in faces], [drawn.box for drawn in extracted.faces])
    for drawn, number in zip(extracted.faces, matches, strict=True):
        if number is None:
            embeddings[len(faces)] = drawn.embedding
            faces.append(_face(extracted, drawn, len(faces)))
    if len(faces) == len(known.faces):
        return known
    image = replace(known.image, n_faces=len(faces), status=ImageStatus.FACES)
    return replace(known, image=image, faces=tuple(faces), changed=True, embeddings=embeddings)


def _first(extracted: ExtractedImage) -> KnownPicture:
    return KnownPicture(
        image=replace(
            extracted.image,
            n_faces=len(extracted.faces),
            status=ImageStatus.FACES if extracted.faces else ImageStatus.NO_FACE,
        ),
        embedder=extracted.embedder,
        faces=tuple(_face(extracted, found, number) for number, found in enumerate(extracted.faces)),
        changed=True,
        is_new=True,
        embeddings={number: found.embedding for number, found in enumerate(extracted.faces)},
    )


def _face(extracted: ExtractedImage, found: NewFace, face_no: int) -> Face:
    return Face(
        image_id=extracted.image.image_id,
        face_no=face_no,
        box=found.box,
        landmarks=found.landmarks,
        score=found.score,
        quality=found.quality,
        detector=extracted.image.detector,
        embedder=extracted.embedder,
    )
