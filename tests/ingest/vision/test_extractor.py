"""From bytes to faces: coordinates, batches, bad pictures in between, and the seed data's own truth."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ingest.vision import DetectedFace, Extraction, FaceExtractor, PictureError
from ingest.vision.protocols import Floats, Pixels
from tests.ingest.vision.conftest import DRAWN_LANDMARKS, drawn_face, png, saved


class CornerDetector:
    """A fake that sees one face at a fixed place, partly outside the picture, and one of low score."""

    name = "corner"
    version = "1"

    def detect(self, picture: Pixels) -> list[DetectedFace]:
        faces = [((-10.0, -20.0, 100.0, 120.0), 0.9), ((5.0, 5.0, 50.0, 60.0), 0.2), ((500.0, 0.0, 50.0, 50.0), 0.9)]
        return [DetectedFace(box=box, landmarks=DRAWN_LANDMARKS, score=score) for box, score in faces]


class MeanEmbedder:
    """A fake whose vectors are made from a crop's mean colour, and which notes how it was called."""

    name = "mean"
    version = "1"
    dim = 128

    def __init__(self) -> None:
        self.calls: list[int] = []

    def embed(self, crops: Pixels) -> Floats:
        self.calls.append(len(crops))
        return np.tile(crops.mean((1, 2, 3))[:, None], (1, self.dim)).astype(np.float32)


def test_a_face_is_extracted_whole(extractor: FaceExtractor) -> None:
    extraction = extractor.extract(png(drawn_face()))
    assert (extraction.width, extraction.height, extraction.format) == (250, 250, "PNG")
    assert extraction.detector == "yunet 2023mar-int8bq+steady2"
    assert extraction.embedder == "sface 2021dec-int8bq"
    (face,) = extraction.faces
    assert (face.embedding.shape, face.embedding.dtype) == ((128,), np.float32)
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
    assert 0 < face.quality <= 1


def test_boxes_and_landmarks_are_in_pixels_of_the_upright_picture(extractor: FaceExtractor) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(np.ascontiguousarray(drawn_face()[..., ::-1])).transpose(Image.Transpose.ROTATE_90)
    (face,) = extractor.extract(saved(stored, "JPEG", quality=95, exif=exif)).faces
    np.testing.assert_allclose(face.landmarks, DRAWN_LANDMARKS, atol=12)


def test_a_picture_without_a_face_is_an_extraction_without_faces(extractor: FaceExtractor) -> None:
    assert extractor.extract(png(np.full((90, 120, 3), 99, np.uint8))).faces == ()


def test_many_pictures_equal_one_by_one_and_bad_ones_stay_in_their_place(extractor: FaceExtractor) -> None:
    contents = [png(drawn_face()), b"", png(np.tile(drawn_face(120), (2, 5, 1))), b"no picture", png(drawn_face(400))]
    outcomes = extractor.extract_many(iter(contents))
    assert [_reason(outcome) for outcome in outcomes] == [None, "empty", None, "not_a_picture", None]
    for content, outcome in zip(contents, outcomes, strict=True):
        if isinstance(outcome, Extraction):
            alone = extractor.extract(content)
            assert len(outcome.faces) == len(alone.faces) > 0
            for one, other in zip(outcome.faces, alone.faces, strict=True):
                assert one.box == other.box
                np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-5)


def test_a_bad_picture_alone_raises(extractor: FaceExtractor) -> None:
    with pytest.raises(PictureError) as caught:
        extractor.extract(png(drawn_face())[:500])
    assert caught.value.reason == "truncated"


def test_no_pictures_give_no_outcomes(extractor: FaceExtractor) -> None:
    assert extractor.extract_many([]) == []


def test_boxes_end_at_the_border_and_weak_or_outside_faces_are_dropped() -> None:
    extractor = FaceExtractor(CornerDetector(), MeanEmbedder(), min_score=0.5)
    (face,) = extractor.extract(png(drawn_face())).faces
    assert face.box == (0.0, 0.0, 90.0, 100.0)
    np.testing.assert_array_equal(face.landmarks, DRAWN_LANDMARKS)


def test_crops_of_all_pictures_are_embedded_together() -> None:
    embedder = MeanEmbedder()
    FaceExtractor(CornerDetector(), embedder, min_score=0.5).extract_many([png(drawn_face())] * 3)
    assert embedder.calls == [3]


def test_a_picture_over_the_limit_is_an_outcome() -> None:
    (outcome,) = FaceExtractor(CornerDetector(), MeanEmbedder(), max_pixels=100).extract_many([png(drawn_face())])
    assert _reason(outcome) == "too_many_pixels"


def test_the_same_picture_gives_the_same_bits(extractor: FaceExtractor) -> None:
    one, two = (extractor.extract(png(drawn_face())).faces[0] for _ in range(2))
    np.testing.assert_array_equal(one.embedding, two.embedding)
    np.testing.assert_array_equal(one.landmarks, two.landmarks)


@pytest.fixture(scope="module")
def presidents(extractor: FaceExtractor, seed_data: Callable[[str], Path]) -> dict[str, Extraction]:
    """Every eighth picture with people, and all scenes, by file name."""
    folder = seed_data("presidents")
    people = [path for path in sorted(folder.glob("*.jpg")) if not path.name.startswith("scene")]
    paths = people[::8] + sorted(folder.glob("scene-*.jpg"))
    outcomes = extractor.extract_many(path.read_bytes() for path in paths)
    return {path.name: out for path, out in zip(paths, outcomes, strict=True) if isinstance(out, Extraction)}


@pytest.mark.seed_data
def test_scenes_have_no_face(presidents: dict[str, Extraction]) -> None:
    scenes = [extraction for name, extraction in presidents.items() if name.startswith("scene")]
    assert len(scenes) >= 17
    assert sum(bool(extraction.faces) for extraction in scenes) <= 1


@pytest.mark.seed_data
def test_people_have_a_face_near_the_centre_covered_eyes_included(presidents: dict[str, Extraction]) -> None:
    people = [extraction for name, extraction in presidents.items() if not name.startswith("scene")]
    assert len(people) >= 50
    assert sum(any(_central(extraction)) for extraction in people) >= len(people) - 1


@pytest.mark.seed_data
def test_a_presidents_clear_faces_are_closer_than_two_presidents(
    presidents: dict[str, Extraction], seed_data: Callable[[str], Path]
) -> None:
    vectors: dict[str, list[Floats]] = {}
    for name, extraction in presidents.items():
        sidecar = json.loads((seed_data("presidents") / name).with_suffix(".json").read_text())
        if sidecar["category"] == "presidential":
            central = next(face for face, near in zip(extraction.faces, _central(extraction), strict=True) if near)
            vectors.setdefault(sidecar["persona"], []).append(central.embedding)
    same = [a @ b for group in vectors.values() for a, b in itertools.combinations(group, 2)]
    other = [a @ b for x, y in itertools.combinations(vectors.values(), 2) for a in x for b in y]
    assert np.quantile(same, 0.05) > np.quantile(other, 0.99)


def _central(extraction: Extraction) -> Iterator[bool]:
    for face in extraction.faces:
        x, y, width, height = face.box
        yield (
            abs(x + width / 2 - extraction.width / 2) < extraction.width / 5
            and abs(y + height / 2 - extraction.height / 2) < extraction.height / 5
        )


def _reason(outcome: Extraction | PictureError) -> str | None:
    return outcome.reason if isinstance(outcome, PictureError) else None
