"""The landmarks of a face that a person drew a box around, whether or not the detector sees a face there."""

from __future__ import annotations

import cv2
import numpy as np

from ingest.vision.protocols import Box, DetectedFace, FaceDetector, FaintDetector, Floats, Pixels
from personas.entities import Box as Rectangle

# Where the landmarks of a face lie in its box: the mean over YuNet's faces of the sample data (42; standard deviation
# .03 to .04), in widths and heights of the box.
MEAN_LANDMARKS: Floats = np.array([[0.26, 0.37], [0.73, 0.37], [0.49, 0.56], [0.30, 0.73], [0.69, 0.73]], np.float32)
# The longer side that the box is brought to before the detector looks at it, pixels: well above the smallest faces it
# finds and well below the largest.
SIDE = 160.0
# What is looked at around the box, in its own sides: a detector wants hair and shoulders.
MARGIN = 0.75
# A face that the detector sees is the drawn one when their boxes overlap this much; people draw loosely.
SAME = 0.25


def face_in_box(detector: FaceDetector, picture: Pixels, box: Box) -> DetectedFace:
    """The face in `box` (pixels of `picture`, uint8 (H, W, 3), BGR).

    Its box is the one given. Landmarks and score are the detector's, in an enlarged copy of the region; where it sees
    no face, MEAN_LANDMARKS and a score of 0.
    """
    region, origin, scale = _region(picture, box)
    seen = detector.detect_faint(region) if isinstance(detector, FaintDetector) else detector.detect(region)
    drawn = Rectangle((box[0] - origin[0]) * scale, (box[1] - origin[1]) * scale, box[2] * scale, box[3] * scale)
    found = max(seen, key=lambda face: drawn.iou(Rectangle(*face.box)), default=None)
    if found is not None and drawn.iou(Rectangle(*found.box)) >= SAME:
        landmarks = (found.landmarks / scale + origin).astype(np.float32)
        return DetectedFace(box=box, landmarks=landmarks, score=found.score)
    landmarks = np.array(box[:2], np.float32) + MEAN_LANDMARKS * np.array(box[2:], np.float32)
    return DetectedFace(box=box, landmarks=landmarks, score=0.0)


def _region(picture: Pixels, box: Box) -> tuple[Pixels, Floats, float]:
    """The box with a margin, its longer side about SIDE pixels; where the region begins (x, y), and its scale."""
    x, y, width, height = box
    low = np.floor([x - MARGIN * width, y - MARGIN * height]).astype(int)
    high = np.ceil([x + (1 + MARGIN) * width, y + (1 + MARGIN) * height]).astype(int)
    low, high = np.maximum(low, 0), np.minimum(high, [picture.shape[1], picture.shape[0]])
    part = picture[low[1] : high[1], low[0] : high[0]]
    scale = SIDE / max(width, height)
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size, interpolation=way), np.uint8), low.astype(np.float32), scale
