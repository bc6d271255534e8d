"""The detector against OpenCV's own decoder, and on faces from tiny to larger than the network can see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.vision import decode
from ingest.vision.protocols import Floats
from ingest.vision.weights import YUNET, find_weights
from ingest.vision.yunet import YuNetDetector, shrunk, suppress, with_close_ups
from tests.ingest.vision.conftest import DRAWN_LANDMARKS, drawn_face


@pytest.fixture(scope="module")
def detector(model_cache: Path) -> YuNetDetector:
    return YuNetDetector(find_weights(YUNET), cache_dir=model_cache)


def test_a_drawn_face_is_found_with_its_landmarks(detector: YuNetDetector) -> None:
    (face,) = detector.detect(drawn_face())
    x, y, width, height = face.box
    assert 60 < x < 90
    assert 40 < y < 70
    assert 80 < width < 120
    assert 110 < height < 160
    assert face.score > 0.7
    assert face.landmarks.dtype == np.float32
    np.testing.assert_allclose(face.landmarks, DRAWN_LANDMARKS, atol=12)


@pytest.mark.parametrize("size", [120, 500, 1200, 2600, 4000])
def test_a_face_is_found_at_every_size(detector: YuNetDetector, size: int) -> None:
    (face,) = detector.detect(drawn_face(size))
    np.testing.assert_allclose(face.landmarks * 250 / size, DRAWN_LANDMARKS, atol=14)


def test_small_faces_and_a_close_up_are_found_in_one_large_picture(detector: YuNetDetector) -> None:
    picture = np.full((1600, 2000, 3), (170, 150, 120), np.uint8)
    picture[:1600, :1600] = drawn_face(1600)
    picture[1300:1420, 1800:1920] = drawn_face(120)
    heights = sorted(face.box[3] for face in detector.detect(picture))
    assert len(heights) == 2
    assert heights[0] < 100
    assert heights[1] > 700


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (5000, 2), (31, 33), (250, 250)])
def test_a_picture_without_a_face_gives_none_whatever_its_shape(
    detector: YuNetDetector, shape: tuple[int, int]
) -> None:
    assert detector.detect(np.full((*shape, 3), 128, np.uint8)) == []


def test_a_crowd_is_found_face_by_face(detector: YuNetDetector) -> None:
    faces = detector.detect(np.tile(drawn_face(120), (10, 16, 1)))
    assert len(faces) == 160
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)


@pytest.fixture(scope="module")
def plain(model_cache: Path) -> YuNetDetector:
    return YuNetDetector(find_weights(YUNET), cache_dir=model_cache, steady=False)


@pytest.mark.parametrize("size", [256, 320, 640])
def test_one_look_equals_opencvs_own_decoder(plain: YuNetDetector, size: int) -> None:
    _assert_equals_opencv(plain, np.tile(drawn_face(size // 2), (2, 2, 1)))


@pytest.mark.seed_data
def test_one_look_equals_opencvs_own_decoder_on_real_pictures(
    plain: YuNetDetector, seed_data: Callable[[str], Path]
) -> None:
    for path in sorted(seed_data("groups").glob("*.jpg"))[:6]:
        picture = decode(path.read_bytes()).pixels
        _assert_equals_opencv(plain, picture[:640, :640])


def _assert_equals_opencv(detector: YuNetDetector, picture: NDArray[np.uint8]) -> None:
    height, width = picture.shape[:2]
    oracle = cv2.FaceDetectorYN.create(
        str(find_weights(YUNET).path), "", (width, height), detector.min_score, detector.overlap, 5000
    )
    _, rows = oracle.detect(np.ascontiguousarray(picture))
    expected = rows if rows is not None else np.empty((0, 15), np.float32)
    found = np.array([[*f.box, *f.landmarks.ravel(), f.score] for f in detector.detect(picture)]).reshape(-1, 15)
    assert len(found) == len(expected)
    expected = expected[np.lexsort(expected[:, :2].round(1).T)]
    found = found[np.lexsort(found[:, :2].round(1).T)]
    np.testing.assert_allclose(found[:, :14], expected[:, :14], atol=0.05)


def test_moving_the_picture_moves_steady_landmarks_by_as_much(detector: YuNetDetector, plain: YuNetDetector) -> None:
    """The mean spread over eight shifts, both detectors: what the second look is for."""
    spreads = {}
    for one in (detector, plain):
        moved = [one.detect(np.roll(drawn_face(200), (s, 2 * s), (0, 1)))[0].landmarks - [2 * s, s] for s in range(8)]
        spreads[one] = np.std(moved, axis=0).mean()
    assert spreads[detector] < spreads[plain]


def test_of_overlapping_boxes_the_best_remains() -> None:
    rows = _rows((0, 0, 10, 10, 0.8), (1, 1, 10, 10, 0.9), (50, 50, 10, 10, 0.7))
    assert suppress(rows, overlap=0.3)[:, 14].tolist() == pytest.approx([0.9, 0.7])


def test_suppressing_nothing_gives_nothing() -> None:
    assert suppress(np.empty((0, 15), np.float32), overlap=0.3).shape == (0, 15)


def test_a_close_up_replaces_what_the_first_look_saw_inside_it() -> None:
    first = _rows((100, 100, 50, 50, 0.75), (900, 900, 30, 30, 0.9))
    merged = with_close_ups(first, _rows((0, 0, 400, 500, 0.8)), overlap=0.3)
    assert merged[:, 14].tolist() == pytest.approx([0.9, 0.8])


def test_a_face_both_looks_found_counts_once_with_the_better_score() -> None:
    merged = with_close_ups(_rows((0, 0, 400, 500, 0.9)), _rows((10, 10, 400, 500, 0.8)), overlap=0.3)
    assert merged[:, 14].tolist() == pytest.approx([0.9])


def test_shrinking_keeps_small_pictures_and_the_ratio_of_large_ones() -> None:
    small = np.zeros((10, 20, 3), np.uint8)
    assert shrunk(small, 100)[0] is small
    copy, scale = shrunk(np.zeros((3000, 4000, 3), np.uint8), 2000)
    assert (copy.shape, scale) == ((1500, 2000, 3), 0.5)


def _rows(*faces: tuple[float, float, float, float, float]) -> Floats:
    rows = np.zeros((len(faces), 15), np.float32)
    for row, face in zip(rows, faces, strict=True):
        row[[0, 1, 2, 3, 14]] = face
    return rows
