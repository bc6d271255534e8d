"""Which face of a picture a sidecar or a line of a label file speaks of. Pure.

A picture often comes with a name but without saying which of its faces bears it. Guessing wrong poisons the training
set, so where two faces have about the same claim no guess is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from personas.entities import Box, Face, FaceKey
from personas.errors import AmbiguousError, NotFoundError
from personas.matching import SAME_FACE_IOU

#: A face with less than this share of the meant face's area is somebody in the background and never a rival.
RIVAL_AREA = 0.5
#: A rival is "about as near" when it is further from the centre by at most this share of the larger face's size
#: (the square root of its area): two people side by side are rivals, a bystander a head further out is not.
RIVAL_DISTANCE = 0.5


def face_meant(
    faces: Sequence[Face], width: int, height: int, *, face: int | None = None, box: Box | None = None
) -> FaceKey:
    """The face that `face` (its number) or `box` names, else the one whose centre is nearest the picture's centre.

    `faces`: all faces of one picture; `width`, `height`: of the upright picture, in pixels; `box` in the same pixels.
    Raises NotFoundError (no face at all, none of that number, none under that box) and AmbiguousError (another face at
    least half as large is about as near), whose candidates are face keys.
    """
    if not faces:
        raise NotFoundError("The picture has no face; name none, or look whether the right file was meant.")
    if face is not None:
        return _numbered(faces, face)
    if box is not None:
        return _boxed(faces, box)
    return _nearest_centre(faces, width, height)


def _numbered(faces: Sequence[Face], number: int) -> FaceKey:
    for face in faces:
        if face.face_no == number:
            return face.key
    known = ", ".join(str(number) for number in sorted(face.face_no for face in faces))
    raise NotFoundError(f"The picture has no face {number}; its faces are {known}.")


def _boxed(faces: Sequence[Face], box: Box) -> FaceKey:
    """Boxes of other tools are looser or tighter than ours: one whose centre and a face's lie in each other counts."""
    best = max(faces, key=lambda face: (face.box.iou(box), -face.face_no))
    if best.box.iou(box) >= SAME_FACE_IOU:
        return best.key
    inside = [face for face in faces if _contains(box, face.box.centre) and _contains(face.box, box.centre)]
    if len(inside) == 1:
        return inside[0].key
    if inside:
        raise AmbiguousError(
            f"The box {_shown(box)} holds {len(inside)} faces; draw it tighter or give the face's number.",
            tuple(str(face.key) for face in inside),
        )
    raise NotFoundError(f"No face was found under the box {_shown(box)}.")


def _nearest_centre(faces: Sequence[Face], width: int, height: int) -> FaceKey:
    def distance(face: Face) -> float:
        x, y = face.box.centre
        return math.hypot(x - width / 2, y - height / 2)

    meant = min(faces, key=lambda face: (distance(face), face.face_no))
    rivals = [face for face in faces if face is not meant and _is_rival(face, meant, distance(face) - distance(meant))]
    if rivals:
        raise AmbiguousError(
            f"{len(rivals) + 1} faces are about as near the centre of the picture; give the face's number or box.",
            tuple(str(face.key) for face in [meant, *rivals]),
        )
    return meant.key


def _is_rival(face: Face, meant: Face, further: float) -> bool:
    if face.box.area < RIVAL_AREA * meant.box.area:
        return False
    return further <= RIVAL_DISTANCE * math.sqrt(max(face.box.area, meant.box.area))


def _contains(box: Box, point: tuple[float, float]) -> bool:
    return box.x <= point[0] <= box.x + box.width and box.y <= point[1] <= box.y + box.height


def _shown(box: Box) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box) + "]"
