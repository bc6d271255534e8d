"""A face that the detector missed and a person drew: found in its box, embedded, stored, and scored as any other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from ingest.extractors import WAIT_SECONDS, ExtractorPool
from personas.crops import originals
from personas.entities import (
    HUMAN,
    LABELS,
    SET_ASIDE,
    Box,
    ExtractedImage,
    Face,
    Image,
    NewEvent,
    NewFace,
    Verdict,
)
from personas.errors import FaceProjectError, NotFoundError
from personas.matching import SAME_FACE_IOU
from personas.projection import FACE_DRAWN
from personas.selectors.faces import shown_image
from personas.services.labelling import DELETED_ALREADY, label_faces, said_of
from personas.store.base import Store

#: The shortest side of a face that is worth an embedding, in pixels of the picture.
SMALLEST_SIDE = 12.0


class UnableToDrawError(FaceProjectError):
    """A box that is no place for a face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What came of a drawn box. is_new: False where it is a face that was known; brought_back: and was set aside."""

    face: Face
    is_new: bool
    brought_back: bool = False


def draw_face(
    *, store: Store, extractors: ExtractorPool, image_id: str, box: Box, actor: str, at: datetime, command_id: str
) -> Drawn:
    """Add the face in a box, in pixels of the upright picture; a box over a known face (IoU >= 0.5) is that face.

    Said again of a face that was set aside, it takes that back. Repeating a command changes nothing. `undo_command`
    says of the new face that it is none.

    Raises UnableToDrawError, NotFoundError (picture), MediaMissingError, PictureError, ExtractorsBusyError.
    """
    image = shown_image(store, image_id)
    box = _inside(box, image)
    nearest = _nearest(store, image_id, box)
    if nearest is not None and not (nearest.detector == HUMAN and nearest.box == box):
        brought_back = _bring_back(store, nearest, actor=actor, at=at, command_id=command_id)
        return Drawn(face=nearest, is_new=False, brought_back=brought_back)
    face = nearest or _add(store, extractors, image, box, actor=actor, at=at, command_id=command_id)
    event = NewEvent(kind=FACE_DRAWN, actor=actor, at=at, command_id=command_id, payload={"face": list(face.key)})
    store.record(LABELS, [event])
    return Drawn(face=face, is_new=True)


def _inside(box: Box, image: Image) -> Box:
    """The part of the box that lies in the picture."""
    if not all(math.isfinite(side) for side in box):
        raise UnableToDrawError("A box is four numbers: x, y, width and height in pixels.")
    left, top = max(box.x, 0.0), max(box.y, 0.0)
    right, bottom = min(box.x + box.width, float(image.width)), min(box.y + box.height, float(image.height))
    if min(right - left, bottom - top) < SMALLEST_SIDE:
        raise UnableToDrawError(
            f"Draw the box inside the picture ({image.width} × {image.height} pixels), at least {SMALLEST_SIDE:.0f} "
            "pixels wide and high; smaller faces cannot be told apart."
        )
    return Box(left, top, right - left, bottom - top)


def _nearest(store: Store, image_id: str, box: Box) -> Face | None:
    """The known face that this box is."""
    faces = store.faces_of([image_id]).get(image_id, ())
    nearest = max(faces, key=lambda face: face.box.iou(box), default=None)
    return nearest if nearest is not None and nearest.box.iou(box) >= SAME_FACE_IOU else None


def _bring_back(store: Store, face: Face, *, actor: str, at: datetime, command_id: str) -> bool:
    said = said_of(store, [face.key]).get(face.key, {})
    aside = next((reserved for reserved in SET_ASIDE if said.get(reserved)), None)
    if aside is None:
        return False
    label_faces(
        store=store,
        persona_id=aside,
        faces=[face.key],
        verdict=Verdict.CLEARED,
        actor=actor,
        at=at,
        command_id=command_id,
    )
    return True


def _add(
    store: Store, extractors: ExtractorPool, image: Image, box: Box, *, actor: str, at: datetime, command_id: str
) -> Face:
    content = originals().read(image.image_id)
    with extractors.borrowed(seconds=WAIT_SECONDS) as extractor:
        found = extractor.extract_drawn(content, box)
    new = NewFace(
        box=box,
        landmarks=tuple((x, y) for x, y in found.landmarks.tolist()),
        score=found.score,
        quality=found.quality,
        embedding=found.embedding,
    )
    drawn = ExtractedImage(image=replace(image, detector=HUMAN), embedder=extractors.tags.embedder, faces=(new,))
    saved = store.save_extracted([drawn], actor=actor, at=at, command_id=command_id)
    face = max(saved.faces.get(image.image_id, ()), key=lambda face: face.box.iou(box), default=None)
    if face is None or face.box.iou(box) < SAME_FACE_IOU:  # nothing is added to a picture that is deleted or erased
        raise NotFoundError(DELETED_ALREADY)
    return face
