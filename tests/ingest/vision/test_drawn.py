"""The face in a box that a person drew."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.vision import FaceExtractor
from ingest.vision.drawn import MEAN_LANDMARKS
from ingest.vision.protocols import Box
from tests.ingest.vision.conftest import DRAWN_LANDMARKS, drawn_face, png

#: The drawn portrait's head at size 250.
HEAD = (75.0, 57.0, 100.0, 136.0)


def test_where_the_detector_sees_the_face_its_landmarks_are_taken_and_the_box_is_kept(extractor: FaceExtractor) -> None:
    face = extractor.extract_drawn(png(drawn_face()), HEAD)
    assert face.box == HEAD
    assert face.score > 0.7
    detected = extractor.extract(png(drawn_face())).faces[0]
    np.testing.assert_allclose(face.landmarks, detected.landmarks, atol=1.5)
    assert float(face.embedding @ detected.embedding) > 0.99


def test_a_face_too_small_to_be_detected_is_looked_at_enlarged(extractor: FaceExtractor) -> None:
    ground = np.full((300, 300, 3), 120, np.uint8)
    ground[100:120, 100:120] = drawn_face(20)
    assert not extractor.extract(png(ground)).faces
    x, y, width, height = (side * 20 / 250 for side in HEAD)
    face = extractor.extract_drawn(png(ground), (100 + x, 100 + y, width, height))
    assert face.score > 0.7
    np.testing.assert_allclose(face.landmarks, 100 + DRAWN_LANDMARKS * 20 / 250, atol=1.2)


@pytest.mark.parametrize("box", [(10.0, 20.0, 60.0, 80.0), (190.0, 0.0, 60.0, 250.0)])
def test_where_it_sees_none_the_landmarks_are_those_of_a_mean_face(extractor: FaceExtractor, box: Box) -> None:
    grey = np.full((250, 250, 3), 120, np.uint8)
    face = extractor.extract_drawn(png(grey), box)
    assert (face.box, face.score) == (box, 0.0)
    np.testing.assert_allclose(face.landmarks, np.array(box[:2]) + MEAN_LANDMARKS * box[2:], atol=0.01)
    assert float(np.linalg.norm(face.embedding)) == pytest.approx(1.0, abs=1e-5)
