"""Quality falls with what makes a face hard to recognise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ingest.vision.align import align
from ingest.vision.protocols import DetectedFace, Floats
from ingest.vision.quality import quality
from tests.ingest.vision.conftest import DRAWN_LANDMARKS, drawn_face


def _quality(*, size: int = 250, blur: float = 0.0, landmarks: Floats = DRAWN_LANDMARKS, score: float = 0.9) -> float:
    picture = drawn_face(size)
    if blur:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.uint8)
    points = (landmarks * size / 250).astype(np.float32)
    return quality(DetectedFace(box=(0, 0, 1, 1), landmarks=points, score=score), align(picture, points[None])[0])


def test_it_lies_between_nothing_and_one() -> None:
    assert 0 < _quality() <= 1


def test_a_small_face_is_worse() -> None:
    assert _quality(size=60) < _quality(size=250)


def test_a_blurred_face_is_worse() -> None:
    assert _quality(blur=4) < _quality()


def test_a_turned_face_is_worse() -> None:
    turned = DRAWN_LANDMARKS.copy()
    turned[2, 0] += 16
    assert _quality(landmarks=turned) < _quality()


def test_an_unsure_detection_is_worse() -> None:
    assert _quality(score=0.6) < _quality(score=0.95)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_landmarks_on_one_spot_give_a_number(score: float) -> None:
    assert 0 <= _quality(landmarks=np.full((5, 2), 100, np.float32), score=score) < 0.5
