"""Ingest with the detector of Azure: what becomes of pictures, parts and jobs when the service does this or that."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest import detector_pause
from ingest.detector_pause import paused_until
from ingest.extraction import ExtractorSpec, ExtractorTags, extractor_of_process, extractor_spec
from ingest.extractors import ExtractorPool, web_extractors
from ingest.pool import ExtractionAwayError, ExtractionError
from ingest.services import work_order
from ingest.shares import LISTING, do_ingest_share, queue_ingest
from ingest.sources.folder import FolderSource
from ingest.vision import Extraction, ExtractorConfig, FaceExtractor, PictureError
from ingest.vision.azure_errors import DetectorAwayError, LimitedAccessError, PictureRefusedError
from ingest.vision.azure_face import AzureFaceDetector
from ingest.warm import end_warm_pools
from personas.entities import ShareStatus
from personas.errors import TransientError
from personas.store.base import Store
from tests.azure.face_service import FaceService, face_service
from tests.azure_double.face import KEY, broken, invalid_image, limited_access, too_many
from tests.azure_double.https import Answer
from tests.ingest.conftest import Ingest, now, reasons
from tests.ingest.fakes import ColourEmbedder
from tests.ingest.vision.conftest import png

AZURE = "tests.ingest.test_azure_face.azure_and_colours"
#: Leases are renewed from threads of their own, which see only what was committed.
pytestmark = pytest.mark.django_db(transaction=True)


def azure_and_colours(config: ExtractorConfig) -> FaceExtractor:
    """A factory: the product's, with an embedder that needs no weights."""
    from ingest import extraction

    extractor = extraction.azure(config)
    if isinstance(extractor.detector, AzureFaceDetector):
        extractor.detector.first_pause = 0.01
    extractor.embedder = ColourEmbedder()
    return extractor


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FaceService]:
    (tmp_path / "service").mkdir()
    with face_service(tmp_path / "service") as serving:
        yield serving
    end_warm_pools()


@pytest.fixture
def pictures(service: FaceService, folder: Path, settings: Any) -> Path:
    """Six pictures, and settings that have Azure find their faces."""
    settings.FACE_EXTRACTOR = AZURE
    settings.FACE_DETECTOR = "azure"
    settings.AZURE_FACE_ENDPOINT, settings.AZURE_FACE_KEY = service.url, KEY
    settings.AZURE_CA_BUNDLE = str(service.bundle)
    for number in range(6):
        (folder / f"{number}.png").write_bytes(picture(number))
    return folder


def picture(number: int = 0) -> bytes:
    return png(np.full((100, 200, 3), 40 + 20 * number, np.uint8))


def spec_of(service: FaceService, tmp_path: Path, **options: Any) -> ExtractorSpec:
    config = ExtractorConfig(cache_dir=tmp_path / "models", azure=service.config(**options))
    return ExtractorSpec(config=config, factory=AZURE)


# ---- the extractor ---------------------------------------------------------------------------------------------------
def test_several_pictures_are_under_way_at_once(service: FaceService, tmp_path: Path) -> None:
    """Each waits until all have come: one after the other none would ever be answered."""
    import threading

    together = threading.Barrier(4)

    def answer() -> Answer:
        together.wait(timeout=30)
        return Answer(content=[])

    service.double.faults.extend([answer] * 4)
    outcomes = spec_of(service, tmp_path).build().extract_many([picture(number) for number in range(4)])
    assert [isinstance(each, Extraction) and each.faces for each in outcomes] == [()] * 4


def test_outcomes_are_in_the_order_of_the_pictures_and_a_bad_one_is_only_itself(
    service: FaceService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.vision.extractor.PIXELS_UNDER_WAY", 30_000)  # so that some are settled on the way
    sizes = [(100 + 20 * number, 200) for number in range(5)]
    datas = [png(np.full((*size, 3), 90, np.uint8)) for size in sizes]
    datas.insert(2, b"no picture")
    outcomes = spec_of(service, tmp_path).build().extract_many(datas)
    assert isinstance(outcomes.pop(2), PictureError)
    assert [(each.height, each.width) for each in outcomes if isinstance(each, Extraction)] == sizes
    assert all(each.detector == "azure detection_03" for each in outcomes if isinstance(each, Extraction))


def test_a_picture_that_the_service_refuses_is_an_outcome(service: FaceService, tmp_path: Path) -> None:
    service.double.faults.append(invalid_image)
    outcomes = spec_of(service, tmp_path, tier="F0").build().extract_many([picture()])
    assert isinstance(outcomes[0], PictureRefusedError)


def test_a_drawn_face_takes_the_landmarks_of_the_service(service: FaceService, tmp_path: Path) -> None:
    face = spec_of(service, tmp_path).build().extract_drawn(picture(), (60.0, 30.0, 80.0, 50.0))
    assert face.box == (60.0, 30.0, 80.0, 50.0)
    assert face.score > 0


def test_the_scorers_extractors_say_that_the_service_is_away_and_blame_no_picture(
    service: FaceService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.vision.azure_face.FIRST_PAUSE", 0.01)
    service.double.always = broken
    pool = ExtractorPool(spec_of(service, tmp_path), size=1)
    with pytest.raises(DetectorAwayError):
        pool.extract_many([picture(0), picture(1)])


# ---- limited access --------------------------------------------------------------------------------------------------
def test_without_a_fallback_limited_access_stops_the_work(service: FaceService, tmp_path: Path) -> None:
    service.double.always = limited_access
    with pytest.raises(LimitedAccessError):
        spec_of(service, tmp_path).build().extract(picture())


def test_with_a_fallback_the_embedded_detector_does_it_and_it_is_said_once(
    service: FaceService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service.double.always = limited_access
    with caplog.at_level(logging.WARNING):
        extractor = spec_of(service, tmp_path, fallback=True).build()
        outcomes = extractor.extract_many([picture(0), picture(1)])
    assert [each.detector.partition(" ")[0] for each in outcomes if isinstance(each, Extraction)] == ["yunet"] * 2
    assert ExtractorTags.of(extractor).detector.startswith("yunet ")
    assert caplog.text.count("https://aka.ms/facerecognition; ") == 1
    assert len(service.double.seen) == 1


def test_a_fallback_is_not_for_a_service_that_is_away(
    service: FaceService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.vision.azure_face.FIRST_PAUSE", 0.01)
    service.double.always = broken
    with pytest.raises(DetectorAwayError):
        spec_of(service, tmp_path, fallback=True).build()


# ---- settings --------------------------------------------------------------------------------------------------------
def test_the_settings_become_a_way_to_ask(pictures: Path, service: FaceService, settings: Any) -> None:
    settings.AZURE_FACE_TIER, settings.FACE_DETECTOR_FALLBACK = "F0", "embedded"
    settings.CELERY_BROKER_URL = "rediss://cache:6380/0"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"global_keyprefix": "mine:"}
    settings.CELERY_BROKER_USE_SSL = {"ssl_ca_certs": "/ca.pem"}
    spec = extractor_spec()
    azure = spec.config.azure
    assert azure is not None
    assert (azure.endpoint, azure.key, azure.tier, azure.fallback) == (service.url, KEY, "F0", True)
    assert (azure.redis_url, azure.redis_ca, azure.key_prefix) == ("rediss://cache:6380/0", "/ca.pem", "mine:")
    assert spec.pictures_under_way == 1
    assert spec.patience > 60


def test_without_redis_the_rate_is_this_machines(pictures: Path, settings: Any) -> None:
    azure = extractor_spec().config.azure
    assert azure is not None
    assert (azure.redis_url, azure.rate_folder) == ("", Path(settings.CACHE_ROOT))


def test_a_page_does_not_wait_as_long_as_a_worker(pictures: Path) -> None:
    spec = extractor_spec()
    azure = spec.impatient(5.0).config.azure
    assert azure is not None
    assert (azure.patience, spec.patience > 5.0) == (5.0, True)
    assert web_extractors().tags.detector == "azure detection_03"


def test_the_embedded_detector_asks_nobody(settings: Any) -> None:
    spec = extractor_spec()
    assert (spec.config.azure, spec.patience, spec.pictures_under_way) == (None, 0.0, 1)
    assert spec.impatient(1.0) == spec


# ---- ingest ----------------------------------------------------------------------------------------------------------
def test_the_detector_travels_with_every_picture_and_face(pictures: Path, ingest: Ingest, store: Store) -> None:
    summary = ingest(workers=1)
    assert (summary.new, summary.faces, len(summary.rejected)) == (6, 6, 0)
    assert {image.detector for image in store.images(limit=10).items} == {"azure detection_03"}
    assert {face.detector for face in store.faces(limit=10).items} == {"azure detection_03"}
    assert ingest(workers=0).known == 6


def test_a_picture_that_the_service_does_not_take_is_rejected_with_its_reason(
    pictures: Path,
    service: FaceService,
    ingest: Ingest,
) -> None:
    service.double.faults.append(invalid_image)
    summary = ingest(workers=1)
    assert (summary.new, list(reasons(summary).values())) == (5, ["refused_by_detector"])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_service_that_stays_away_ends_a_direct_ingest_which_goes_on_later(
    workers: int,
    pictures: Path,
    service: FaceService,
    ingest: Ingest,
    store: Store,
) -> None:
    extractor_of_process.cache_clear()
    service.double.always = broken
    with pytest.raises((DetectorAwayError, ExtractionAwayError), match="nothing is lost"):
        ingest(workers=workers)
    assert store.images(limit=10).items == ()
    service.double.always = None
    assert ingest(workers=workers).new == 6


def test_limited_access_ends_a_direct_ingest_with_what_to_do(
    pictures: Path,
    service: FaceService,
    ingest: Ingest,
) -> None:
    service.double.always = limited_access
    with pytest.raises(ExtractionError, match=r"aka\.ms/facerecognition.*FACE_DETECTOR_FALLBACK=embedded"):
        ingest(workers=1)


def test_a_share_is_handed_back_while_the_service_is_away_and_done_later(
    pictures: Path,
    service: FaceService,
    store: Store,
) -> None:
    job = queue_ingest(store=store, folder=pictures, actor="eve", at=now())
    do_ingest_share(store=store, job_id=job.job_id, number=LISTING, clock=now)
    service.double.always = broken
    with pytest.raises(TransientError):
        do_ingest_share(store=store, job_id=job.job_id, number=1, clock=now)
    waiting = store.shares(job.job_id)[1]
    assert (waiting.status, waiting.attempts) == (ShareStatus.WAITING, 0)
    service.double.always = None
    done = do_ingest_share(store=store, job_id=job.job_id, number=1, clock=now)
    assert done is not None
    assert (done.status, done.result["new"], done.result.get("rejected", [])) == (ShareStatus.DONE, 6, [])


def test_a_share_fails_with_the_message_where_the_key_is_wrong(
    pictures: Path,
    store: Store,
    settings: Any,
) -> None:
    settings.AZURE_FACE_KEY = "wrong"
    job = queue_ingest(store=store, folder=pictures, actor="eve", at=now())
    do_ingest_share(store=store, job_id=job.job_id, number=LISTING, clock=now)
    failed = do_ingest_share(store=store, job_id=job.job_id, number=1, clock=now)
    assert failed is not None
    assert (failed.status, "AZURE_FACE_KEY" in failed.message) == (ShareStatus.FAILED, True)


def test_a_share_that_takes_long_lets_go_and_goes_on_where_it_was(
    pictures: Path,
    service: FaceService,
    store: Store,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ingest.pipeline.BATCH_PICTURES", 1)
    job = queue_ingest(store=store, folder=pictures, actor="eve", at=now())
    do_ingest_share(store=store, job_id=job.job_id, number=LISTING, clock=now)

    class Late:
        """The time is up as soon as something was done."""

        @staticmethod
        def monotonic() -> float:
            return 1e9 if store.images(limit=1).items else 0.0

    with monkeypatch.context() as patched:
        patched.setattr("ingest.shares.time", Late)
        with pytest.raises(TransientError, match="another turn"):
            do_ingest_share(store=store, job_id=job.job_id, number=1, clock=now)
    assert len(store.images(limit=10).items) > 0
    assert store.shares(job.job_id)[1].attempts == 0
    done = do_ingest_share(store=store, job_id=job.job_id, number=1, clock=now)
    assert done is not None
    assert done.status is ShareStatus.DONE
    assert len(store.images(limit=10).items) == 6


def test_a_pause_is_noted_where_the_status_page_finds_it(
    pictures: Path,
    service: FaceService,
    ingest: Ingest,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted: list[float] = []

    def note(store: Store, seconds: float, **options: Any) -> None:
        noted.append(seconds)
        detector_pause.note_pause(store, 60.0, **options)

    monkeypatch.setattr("ingest.pipeline.note_pause", note)
    service.double.faults.append(lambda: too_many(1.0))
    assert paused_until(store, at=now()) is None
    assert ingest(workers=1).new == 6
    assert noted == [1.0]
    assert paused_until(store, at=now()) is not None


def test_the_order_of_a_worker_tells_how_long_it_may_be_silent(pictures: Path) -> None:
    order = work_order(FolderSource(root=pictures, name="x"))
    assert order.spec.patience == extractor_spec().patience > 0
    assert KEY not in repr(dataclasses.replace(order))
