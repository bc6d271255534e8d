"""Steadier landmarks: a second look at each face, at the size where the detector is at its best, and in the mirror.

One pass over the picture leaves the landmarks to the few cells of the grid that happen to cover the face: moving a
picture by a few pixels moves the 112-pixel crop by about 3, and covered eyes or mouths by 5. Both views of a face are
votes on the same five points; their mean is what the crop is cut by.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ingest.vision.align import warp
from ingest.vision.protocols import Floats, Pixels

STRIDES = (8, 16, 32)
# The detector's twelve outputs by name, each (1, views * cells, channels).
Outputs = dict[str, Floats]
Look = Callable[[Floats], Outputs]

# Pixels: sides of a view, and the height a face is brought to in it.
VIEW = 128
FACE_HEIGHT = 80.0
# A candidate votes when its score and its overlap with the face's box are above these.
_MIN_SCORE = 0.3
_MIN_OVERLAP = 0.5
# Views a call: sixteen of them are as fast a view as two.
_BATCH = 8
# A mirrored face has its left landmarks on the right.
_MIRRORED = [1, 0, 2, 4, 3]


def steadied(picture: Pixels, rows: Floats, look: Look) -> Floats:
    """`rows` with steadier landmarks.

    picture: uint8 (H, W, 3), BGR. rows: float32 (n, 15), x, y, w, h, five (x, y) landmarks, score; pixels of `picture`.
    look: runs the detector on float32 (views, 3, VIEW, VIEW). A face no view finds again keeps its landmarks.
    """
    result = rows.copy()
    for start in range(0, len(rows), _BATCH):
        faces = rows[start : start + _BATCH]
        transforms = _transforms(faces)
        plain = np.empty((len(faces), VIEW, VIEW, 3), np.uint8)
        for view, transform in zip(plain, transforms, strict=True):
            warp(picture, transform, view)
        votes, found = _votes(look(_blob(plain)), faces)
        back = _undone(votes, transforms)
        result[start : start + _BATCH, 4:14] = np.where(found[:, None], back.reshape(-1, 10), faces[:, 4:14])
    return result


def _transforms(faces: Floats) -> NDArray[np.float64]:
    """Picture -> view for each face, float64 (n, 2, 3): scaled to FACE_HEIGHT, its box in the middle."""
    scale = FACE_HEIGHT / np.maximum(faces[:, 3].astype(np.float64), 1.0)
    centres = faces[:, :2] + faces[:, 2:4] / 2
    transforms = np.zeros((len(faces), 2, 3))
    transforms[:, 0, 0] = transforms[:, 1, 1] = scale
    transforms[:, :, 2] = VIEW / 2 - scale[:, None] * centres
    return transforms


def _blob(plain: Pixels) -> Floats:
    """Views uint8 (n, VIEW, VIEW, 3) and their mirror images as the network's input, float32 (2n, 3, VIEW, VIEW)."""
    both = np.concatenate([plain, plain[:, :, ::-1]])
    return np.ascontiguousarray(both.transpose(0, 3, 1, 2), dtype=np.float32)


def _votes(outputs: Outputs, faces: Floats) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mean landmarks of each face in its view's pixels, float64 (n, 5, 2), and whether any view found it, bool (n,)."""
    views = 2 * len(faces)
    half = np.tile(faces[:, 2:4] * (FACE_HEIGHT / np.maximum(faces[:, 3:4], 1.0)) / 2, (2, 1))
    low, high = VIEW / 2 - half, VIEW / 2 + half
    total, weight = np.zeros((views, 5, 2)), np.zeros(views)
    for stride in STRIDES:
        per_view = {kind: outputs[f"{kind}_{stride}"].reshape(views, -1, channels) for kind, channels in _CHANNELS}
        scores = np.sqrt(np.clip(per_view["cls"], 0, 1) * np.clip(per_view["obj"], 0, 1))[..., 0]
        view, cell = np.nonzero(scores > _MIN_SCORE)
        corners = _corners(stride)[cell]
        box, points = per_view["bbox"][view, cell], per_view["kps"][view, cell].reshape(-1, 5, 2)
        centres, halves = (corners + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
        inter = np.minimum(centres + halves, high[view]) - np.maximum(centres - halves, low[view])
        inter_area = np.clip(inter, 0, None).prod(1)
        union = 4 * (halves.prod(1) + half[view].prod(1)) - inter_area
        votes = scores[view, cell] * (inter_area > _MIN_OVERLAP * union)
        np.add.at(total, view, (points + corners[:, None]) * stride * votes[:, None, None])
        np.add.at(weight, view, votes)
    means = total / np.maximum(weight, 1e-9)[:, None, None]
    mirrored = means[len(faces) :, _MIRRORED]
    mirrored[..., 0] = VIEW - 1 - mirrored[..., 0]
    found = (weight > 0).reshape(2, -1)
    share = found / np.maximum(found.sum(0), 1)
    both = np.stack([means[: len(faces)], mirrored])
    return (both * share[:, :, None, None]).sum(0), np.asarray(found.any(0))


_CHANNELS = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))


@cache
def _corners(stride: int) -> Floats:
    """The cells of a view row by row, float32 (cells, 2): column, row."""
    side = VIEW // stride
    rows, columns = np.divmod(np.arange(side * side), side)
    return np.stack([columns, rows], 1).astype(np.float32)


def _undone(points: NDArray[np.float64], transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (n, 5, 2) of views back in the picture; the transforms only scale and shift."""
    return (points - transforms[:, None, :, 2]) / transforms[:, None, None, 0, 0]
