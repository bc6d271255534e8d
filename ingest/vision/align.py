"""Five-point alignment: the crop an embedder was trained on, cut straight out of the full picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ingest.vision.protocols import Floats, Pixels

CROP_SIZE = 112
# Where the five landmarks lie in a 112x112 crop (pixels): eye, eye, nose tip, mouth corner, mouth corner, left to right
# in the picture. The template of ArcFace (insightface, face_align.py), which SFace was trained on (opencv_zoo).
TEMPLATE: Floats = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)


def similarity_transforms(landmarks: Floats) -> Floats:
    """The least-squares rotation, scale and shift that bring each face's landmarks onto TEMPLATE.

    landmarks: float32 (n, 5, 2), pixels. Returns float32 (n, 2, 3), picture -> crop, as cv2.warpAffine wants them.
    In the plane this problem has a closed form: with points as complex numbers the best `a` of `a * z + b` is
    sum(conj(z) * w) / sum(|z|^2) over centred points. It equals Umeyama's SVD solution (PAMI 1991) without reflection.
    """
    points = np.asarray(landmarks, np.float64).reshape(-1, 5, 2)
    z = points[..., 0] + 1j * points[..., 1]
    w = TEMPLATE[:, 0].astype(np.float64) + 1j * TEMPLATE[:, 1]
    z_mean, w_mean = z.mean(1, keepdims=True), w.mean()
    centred = z - z_mean
    # All five landmarks on one spot have no direction: the floor keeps the division finite, the crop is then flat.
    spread = np.maximum((np.abs(centred) ** 2).sum(1), 1e-6)
    a = (np.conj(centred) * (w - w_mean)).sum(1) / spread
    b = w_mean - a * z_mean[:, 0]
    rows = np.stack([a.real, -a.imag, b.real, a.imag, a.real, b.imag], 1)
    return rows.reshape(-1, 2, 3).astype(np.float32)


def align(picture: Pixels, landmarks: Floats) -> Pixels:
    """Aligned crops of every face.

    picture: uint8 (H, W, 3), BGR. landmarks: float32 (n, 5, 2), pixels. Returns uint8 (n, 112, 112, 3), BGR; what lies
    outside the picture is black.
    """
    transforms = similarity_transforms(landmarks)
    crops: Pixels = np.empty((len(transforms), CROP_SIZE, CROP_SIZE, 3), np.uint8)
    for crop, transform in zip(crops, transforms, strict=True):
        _warp(picture, transform.astype(np.float64), crop)
    return crops


def _warp(picture: Pixels, transform: NDArray[np.float64], crop: Pixels) -> None:
    cv2.warpAffine(picture, transform, (CROP_SIZE, CROP_SIZE), dst=crop, flags=cv2.INTER_LINEAR)
