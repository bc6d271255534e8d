"""YuNet face detector on ONNX Runtime (Wu, Peng, Yu: YuNet, Machine Intelligence Research 2023; weights: opencv_zoo).

The decoder equals cv2.FaceDetectorYN to 1.2e-4 px and is three times as fast.

What was measured, and chosen by it (1,382 LFW pictures, dlib's 43 annotated boxes, LFW faces scaled up and down):
- Score >= 0.7: 99.93 % of LFW's faces, all 43 boxes and nothing beside them, nothing in 17 pictures without a face (a
  motorcycle reaches 0.68). At 0.8 eyes covered by a bar begin to be missed.
- Faces of 25 pixels of height are found in 97 %, of 37 in 100 %. Looking twice as large at small pictures finds no
  more true faces and gives a motorcycle and pebbles a face: there is no second look at an enlarged copy.
- Faces over about 500 pixels are lost: 28 % left at 1,000 (a phone's self-portrait). Hence the look at a small copy.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ingest.vision.landmarks import STRIDES, Outputs, steadied
from ingest.vision.onnx_rewrite import FreeDimensions
from ingest.vision.protocols import DetectedFace, Floats, Pixels
from ingest.vision.runtime import open_onnxruntime
from ingest.vision.weights import VerifiedWeights

_OUTPUTS = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
# The published file is fixed to one picture of 640x640; any multiple of the largest stride works, and so do several
# pictures of one size, whose cells then come one after the other.
_FREE: FreeDimensions = {"input": {0: "N", 2: "H", 3: "W"}} | {name: {1: f"n_{name}"} for name in _OUTPUTS}
# Larger pictures are looked at in a copy of this longest side, pixels: a 12-megapixel picture takes 80 ms instead of
# 300, and faces too small to be found in the copy are too small to be recognised.
FINE_SIDE = 2048
# From this longest side on a face may be too large for the network: a copy of COARSE_SIDE is looked at as well, for
# faces of at least CLOSE_UP pixels of height (pixels of the first look); smaller ones are the first look's.
COARSE_FROM = 704
COARSE_SIDE = 480
CLOSE_UP = 256.0
# `detect_faint` takes what scores this much: nothing outside a box that a person drew is asked about.
FAINT_SCORE = 0.3


class YuNetDetector:
    """Finds faces of 20 pixels of height and more, close-ups included.

    min_score: faces below it are dropped. overlap: of two boxes that overlap more (intersection over union) the one
    with the lower score is dropped. steady: take the landmarks from a second look at each face (landmarks.py), as the
    version tells: embeddings cut by other landmarks are not quite the same.
    """

    name = "yunet"

    def __init__(
        self,
        weights: VerifiedWeights,
        *,
        cache_dir: Path,
        threads: int = 1,
        min_score: float = 0.7,
        overlap: float = 0.3,
        steady: bool = True,
    ) -> None:
        self.version = f"{weights.version}+steady2" if steady else weights.version
        self.min_score = min_score
        self.overlap = overlap
        self.steady = steady
        self._session = open_onnxruntime(weights, cache_dir=cache_dir, free=_FREE, threads=threads)

    def detect(self, picture: Pixels) -> list[DetectedFace]:
        """Faces of `picture` (uint8 (H, W, 3), BGR, upright), highest score first."""
        return self._detect(picture, min_score=self.min_score)

    def detect_faint(self, picture: Pixels) -> list[DetectedFace]:
        """As `detect`, and faces that score FAINT_SCORE or more: for where a person says that there is one."""
        return self._detect(picture, min_score=min(self.min_score, FAINT_SCORE))

    def _detect(self, picture: Pixels, *, min_score: float) -> list[DetectedFace]:
        fine, scale = shrunk(picture, FINE_SIDE)
        rows = self._look(fine, min_score=min_score)
        if max(fine.shape[:2]) > COARSE_FROM:
            coarse, further = shrunk(fine, COARSE_SIDE)
            large = self._look(coarse, min_score=min_score)
            large[:, :14] /= further
            rows = with_close_ups(rows, large[large[:, 3] >= CLOSE_UP], overlap=self.overlap)
        rows[:, :14] /= scale
        return _faces(steadied(picture, rows, self._run) if self.steady else rows)

    def _run(self, blob: Floats) -> Outputs:
        """The twelve raw outputs for float32 (n, 3, H, W), BGR, 0..255, sides multiples of 32."""
        return dict(zip(_OUTPUTS, self._session.run(_OUTPUTS, {"input": blob}), strict=True))

    def _look(self, picture: Pixels, *, min_score: float) -> Floats:
        """One pass of the network. Returns float32 (n, 15): x, y, w, h, five (x, y) landmarks, score; pixels."""
        height, width = picture.shape[:2]
        padded_height, padded_width = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in (height, width))
        blob = np.empty((1, 3, padded_height, padded_width), np.float32)
        blob[..., height:, :] = 0
        blob[..., width:] = 0
        for plane, channel in zip(blob[0, :, :height, :width], cv2.split(picture), strict=True):
            plane[:] = channel  # channel by channel: half the time that one transposed copy takes
        outputs = self._run(blob)
        rows = np.vstack([decode_stride(outputs, s, padded_width, min_score=min_score) for s in STRIDES])
        return suppress(rows, overlap=self.overlap)


def decode_stride(outputs: Outputs, stride: int, width: int, *, min_score: float) -> Floats:
    """Rows float32 (n, 15) of one level of the pyramid: x, y, w, h, five (x, y) landmarks, score.

    outputs: cls, obj (1, cells, 1), bbox (1, cells, 4), kps (1, cells, 10), cells row by row. width: of the padded
    input, pixels. As in OpenCV's face_detect.cpp: score = sqrt(cls * obj); offsets are in strides, sizes log strides.
    """
    classes, objects = (np.clip(outputs[f"{kind}_{stride}"][0, :, 0], 0, 1) for kind in ("cls", "obj"))
    scores = np.sqrt(classes * objects)
    cells = np.flatnonzero(scores >= min_score)
    corners = np.stack([cells % (width // stride), cells // (width // stride)], 1).astype(np.float32)
    box, points = outputs[f"bbox_{stride}"][0, cells], outputs[f"kps_{stride}"][0, cells]
    centres, sizes = (corners + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride
    landmarks = (points.reshape(-1, 5, 2) + corners[:, None]) * stride
    rows: Floats = np.hstack([centres - sizes / 2, sizes, landmarks.reshape(-1, 10), scores[cells, None]])
    return rows


def suppress(rows: Floats, *, overlap: float) -> Floats:
    """Greedy non-maximum suppression: the best of rows float32 (n, 15) that overlap more than `overlap`, best first."""
    rows = rows[np.argsort(-rows[:, 14], kind="stable")]
    alive = np.ones(len(rows), bool)
    kept = []
    for i, row in enumerate(rows):
        if alive[i]:
            kept.append(i)
            alive &= _overlaps(row, rows) <= overlap
    return rows[kept]


def with_close_ups(rows: Floats, large: Floats, *, overlap: float) -> Floats:
    """Both looks' faces, float32 (n, 15) each, as one list, best first.

    Where both have the face the better score counts. Else the close-up is new, and what the first look saw inside it
    (an eye, half of the face) is dropped.
    """
    for face in large:
        same = _overlaps(face, rows) > overlap
        if (rows[same, 14] >= face[14]).any():
            continue
        centres = rows[:, :2] + rows[:, 2:4] / 2
        inside = ((centres >= face[:2]) & (centres <= face[:2] + face[2:4])).all(1)
        rows = np.vstack([rows[~(same | inside)], face[None]])
    return rows[np.argsort(-rows[:, 14], kind="stable")]


def _overlaps(face: Floats, rows: Floats) -> Floats:
    """Intersection over union of one box with each of rows; float32 (n,)."""
    low = np.maximum(face[:2], rows[:, :2])
    high = np.minimum(face[:2] + face[2:4], rows[:, :2] + rows[:, 2:4])
    inter = np.clip(high - low, 0, None).prod(1)
    union = face[2] * face[3] + rows[:, 2] * rows[:, 3] - inter
    result: Floats = inter / np.maximum(union, 1e-6)
    return result


def shrunk(picture: Pixels, side: int) -> tuple[Pixels, float]:
    """`picture` with its longest side at most `side` pixels, and the scale (1 when it was small enough)."""
    height, width = picture.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return picture, scale
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), scale


def _faces(rows: Floats) -> list[DetectedFace]:
    return [
        DetectedFace(
            box=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
            landmarks=row[4:14].reshape(5, 2).astype(np.float32),
            score=float(row[14]),
        )
        for row in rows
    ]
