"""End to end: the sample data taken in with the faces that Azure's double finds, beside the embedded detector's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.services import folder_source
from ingest.vision import ExtractorConfig, build_extractor
from ingest.vision.extractor import build_detector
from personas.entities import Box
from personas.store.base import Store
from tests.azure.face_service import FaceService, face_service
from tests.azure_double.face import KEY, SMALLEST_FACE
from tests.conftest import REPOSITORY
from tests.ingest.conftest import Ingest

pytestmark = pytest.mark.django_db(transaction=True)
SAMPLE_DATA = REPOSITORY / "sample_data"
#: Intersection over union of the same face found twice; the service's boxes are whole pixels, of a JPEG made anew.
SAME = 0.7


@pytest.fixture
def models(settings: Any) -> ExtractorConfig:
    return ExtractorConfig(cache_dir=Path(settings.FACEPROJECT_HOME) / "cache" / "models")


@pytest.fixture
def service(tmp_path: Path, models: ExtractorConfig) -> Iterator[FaceService]:
    """Finds faces as the embedded detector does."""
    (tmp_path / "service").mkdir()
    with face_service(tmp_path / "service", detector=build_detector(models)) as serving:
        yield serving


def test_the_same_faces_as_the_embedded_detector_and_the_same_people(
    service: FaceService, folder: Path, ingest: Ingest, store: Store, settings: Any, models: ExtractorConfig
) -> None:
    settings.FACE_EXTRACTOR, settings.FACE_DETECTOR = "ingest.extraction.azure", "azure"
    settings.AZURE_FACE_ENDPOINT, settings.AZURE_FACE_KEY = service.url, KEY
    settings.AZURE_CA_BUNDLE = str(service.bundle)
    settings.CACHE_ROOT = str(models.cache_dir.parent)
    summary = ingest(workers=1, source=folder_source(SAMPLE_DATA))
    pictures = sorted(SAMPLE_DATA.glob("*.jpg"))
    assert (summary.new, len(service.double.seen)) == (len(pictures), len(pictures))
    assert {seen.request.query["returnFaceId"] for seen in service.double.seen} == {"false"}

    by_path = {path.path: path.image_id for each in store.paths_of(_ids(store)).values() for path in each}
    embedded, n_faces = build_extractor(models), 0
    for picture in pictures:
        found = store.faces_of([by_path[picture.name]]).get(by_path[picture.name], ())
        expected = [face for face in embedded.extract(picture.read_bytes()).faces if min(face.box[2:]) > SMALLEST_FACE]
        assert len(found) == len(expected), picture.name
        for face in expected:
            twin = max(found, key=lambda each: each.box.iou(Box(*face.box)))
            assert twin.box.iou(Box(*face.box)) > SAME, picture.name
            assert float(_embedding(store, twin) @ face.embedding) > 0.9, picture.name
            n_faces += 1
    assert n_faces > 30


def _ids(store: Store) -> list[str]:
    return [image.image_id for image in store.images(limit=1000).items]


def _embedding(store: Store, face: Any) -> Any:
    return store.embeddings_of([face.key])[face.key]
