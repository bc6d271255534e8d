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
        warp(picture, transform.astype(np.float64), crop)
    return crops


def warp(picture: Pixels, transform: NDArray[np.float64], out: Pixels) -> None:
    """Draw `picture` under `transform` (float64 (2, 3), picture -> out, a similarity) into `out`, uint8 (h, w, 3).

    Only the part of the picture that is seen is touched (OpenCV's warp takes no side over 32,767 pixels), and it is
    averaged down first when it is shown at less than half its size: sampling every n-th pixel would alias.
    """
    height, width = out.shape[:2]
    back = cv2.invertAffineTransform(transform)
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]]) @ back.T
    sides = np.array([picture.shape[1], picture.shape[0]])
    low = np.clip(np.floor(corners.min(0)) - 2, 0, sides).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 3, 0, sides).astype(int)
    if (high <= low).any():
        out[:] = 0
        return
    part = picture[low[1] : high[1], low[0] : high[0]]
    factor = int(1 / max(float(np.hypot(transform[0, 0], transform[1, 0])), 1e-6))
    shrink = np.ones(2)
    if factor >= 2:
        target = np.maximum((high - low) // factor, 1)
        shrink = (high - low) / target
        part = np.asarray(cv2.resize(part, (int(target[0]), int(target[1])), interpolation=cv2.INTER_AREA), np.uint8)
    # Pixel u of the part has its centre at low + (u + 1/2) * shrink - 1/2 of the picture.
    seen = transform.copy()
    seen[:, 2] += transform[:, :2] @ (low + shrink / 2 - 0.5)
    seen[:, :2] *= shrink
    cv2.warpAffine(part, seen, (width, height), dst=out, flags=cv2.INTER_LINEAR)
