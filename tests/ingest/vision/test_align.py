"""The five-point crop, against an independent solution and by its properties."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.vision.align import TEMPLATE, align, similarity_transforms
from ingest.vision.protocols import Floats
from tests.ingest.vision.conftest import DRAWN_LANDMARKS, drawn_face


@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.2, 30), x=st.floats(-500, 4000), y=st.floats(-500, 4000))
def test_any_turned_scaled_and_shifted_template_is_brought_back(angle: float, scale: float, x: float, y: float) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATE @ turn.T + [x, y]).astype(np.float32)
    np.testing.assert_allclose(_moved(points), TEMPLATE, atol=0.05)


def test_it_is_the_least_squares_solution() -> None:
    random = np.random.default_rng(0)
    points = (TEMPLATE * 2.3 + random.normal(0, 8, (5, 2))).astype(np.float32)
    columns = [
        np.c_[points[:, 0], -points[:, 1], np.ones(5), np.zeros(5)],
        np.c_[points[:, 1], points[:, 0], np.zeros(5), np.ones(5)],
    ]
    a, b, x, y = np.linalg.lstsq(np.vstack(columns), TEMPLATE.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(similarity_transforms(points[None])[0], [[a, -b, x], [b, a, y]], rtol=1e-4)


def test_many_faces_at_once_equal_one_by_one() -> None:
    picture = drawn_face(500)
    landmarks = np.stack([DRAWN_LANDMARKS * 2, DRAWN_LANDMARKS * 2 + 7, DRAWN_LANDMARKS])
    together = align(picture, landmarks)
    assert together.shape == (3, 112, 112, 3)
    for crop, points in zip(together, landmarks, strict=True):
        np.testing.assert_array_equal(align(picture, points[None])[0], crop)


def test_the_crop_shows_the_landmarks_at_their_places() -> None:
    crop = align(drawn_face(), DRAWN_LANDMARKS[None])[0]
    for x, y in TEMPLATE[:2]:
        pupil = crop[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].mean()
        cheek = crop[int(y) + 14 : int(y) + 18, int(x) - 4 : int(x) + 5].mean()
        assert pupil < cheek - 20


def test_a_face_far_out_in_a_very_wide_picture_is_cut() -> None:
    """OpenCV's warp itself takes no side over 32,767 pixels."""
    wide = np.zeros((250, 40_000, 3), np.uint8)
    wide[:, 39_000:39_250] = drawn_face()
    far = DRAWN_LANDMARKS + np.array([39_000, 0], np.float32)
    close = align(drawn_face(), DRAWN_LANDMARKS[None])
    np.testing.assert_allclose(align(wide, far[None])[0][20:100].astype(int), close[0][20:100], atol=8)


def test_a_large_face_is_averaged_not_sampled() -> None:
    """Stripes finer than the crop's pixels come out grey; sampling would leave stripes."""
    stripes = np.zeros((1000, 1000, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = align(stripes, DRAWN_LANDMARKS[None] * 4)[0][20:90, 20:90]
    assert crop.std() < 12
    assert crop.mean() == pytest.approx(100, abs=8)


def test_a_large_and_a_small_copy_give_nearly_the_same_crop() -> None:
    small, large = align(drawn_face(250), DRAWN_LANDMARKS[None]), align(drawn_face(1500), DRAWN_LANDMARKS[None] * 6)
    assert np.abs(small.astype(int) - large).mean() < 4


def test_landmarks_outside_the_picture_give_a_black_crop() -> None:
    assert not align(drawn_face(), DRAWN_LANDMARKS[None] + 5000).any()


def test_no_faces_give_no_crops() -> None:
    assert align(drawn_face(), np.empty((0, 5, 2), np.float32)).shape == (0, 112, 112, 3)


def test_landmarks_on_one_spot_give_a_finite_transform() -> None:
    assert np.isfinite(similarity_transforms(np.full((1, 5, 2), 40, np.float32))).all()


def _moved(points: Floats) -> Floats:
    moved: Floats = cv2.transform(points[None], similarity_transforms(points[None])[0])[0]
    return moved
