"""How much a face crop can be trusted, from what is at hand: no model, no extra pass."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ingest.vision.protocols import DetectedFace, Pixels


def quality(face: DetectedFace, crop: Pixels) -> float:
    """0..1 for a detected face and its aligned crop (uint8 (112, 112, 3), BGR).

    The geometric mean of four of the components ISO/IEC 29794-5 lists, each 0..1: size (distance between the eyes),
    sharpness (variance of the Laplacian, Pech-Pacheco 2000), frontality (nose between the eyes) and the detector's
    score.
    """
    parts = (_size(face), _sharpness(crop), _frontality(face), min(1.0, face.score))
    return math.prod(max(part, 1e-3) for part in parts) ** (1 / len(parts))


def _size(face: DetectedFace) -> float:
    """1 from 35 pixels between the eyes on: there the 112-pixel crop is not enlarged any more."""
    return min(1.0, float(np.linalg.norm(face.landmarks[1] - face.landmarks[0])) / 35.0)


def _sharpness(crop: Pixels) -> float:
    """Variance of the Laplacian over the inner crop, saturating: 100 gives one half."""
    grey = cv2.cvtColor(crop[16:96, 16:96], cv2.COLOR_BGR2GRAY)
    variance = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return variance / (variance + 100.0)


def _frontality(face: DetectedFace) -> float:
    """1 when the nose lies midway between the eyes along their line, 0 when it lies beneath or beyond one of them."""
    left, right, nose = face.landmarks[0], face.landmarks[1], face.landmarks[2]
    line = right - left
    along = float((nose - left) @ line) / max(float(line @ line), 1e-6)
    return max(0.0, 1.0 - 2.0 * abs(along - 0.5))
