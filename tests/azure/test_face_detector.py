"""The detector that asks Azure Face, against the double: what is sent, what comes back, and each way it can fail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ingest.vision import decode, tag
from ingest.vision.azure_errors import (
    DetectorAwayError,
    DetectorBusyError,
    DetectorRefusesError,
    LimitedAccessError,
    PictureRefusedError,
)
from ingest.vision.azure_face import LARGEST_BYTES, SCORE, SIDE, SMALLEST_BYTES, as_file
from ingest.vision.protocols import Pixels, RemoteDetector
from personas.errors import FaceProjectError, TransientError
from tests.azure.face_service import FaceService, face_service
from tests.azure_double.face import broken, dropped, invalid_image, limited_access, refusal, slow, too_many
from tests.azure_double.https import Answer


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FaceService]:
    with face_service(tmp_path) as serving:
        yield serving


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.vision.azure_face.FIRST_PAUSE", 0.01)


def grey(width: int = 200, height: int = 100) -> Pixels:
    return np.full((height, width, 3), 128, np.uint8)


def noise(width: int, height: int) -> Pixels:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)


# ---- what is sent, and what comes back -------------------------------------------------------------------------------
def test_a_face_comes_back_with_its_box_and_the_five_landmarks_in_our_order(service: FaceService) -> None:
    [face] = service.detector().detect(grey())
    assert face.box == (50, 25, 100, 50)
    assert face.landmarks.dtype == np.float32
    np.testing.assert_allclose(face.landmarks, [[80, 45], [120, 45], [100, 55], [85, 65], [115, 65]], atol=0.06)
    assert face.score == SCORE


def test_a_face_id_is_never_asked_for_and_the_model_is_the_one_for_small_faces(service: FaceService) -> None:
    service.detector().detect(grey())
    query = service.double.seen[0].request.query
    assert (query["returnFaceId"], query["detectionModel"]) == ("false", "detection_03")
    assert query["returnFaceLandmarks"] == "true"


def test_the_tag_names_the_service_and_its_model(service: FaceService) -> None:
    assert tag(service.detector()) == "azure detection_03"
    assert isinstance(service.detector(), RemoteDetector)


def test_a_large_picture_is_sent_smaller_and_what_is_found_is_where_it_was(service: FaceService) -> None:
    [face] = service.detector().detect(grey(5000, 2500))
    sent = decode(service.double.seen[0].request.body)
    assert (sent.width, sent.height) == (SIDE, SIDE // 2)
    np.testing.assert_allclose(face.box, (1250, 625, 2500, 1250), atol=3)
    np.testing.assert_allclose(face.landmarks[2], (2500, 1375), atol=3)


@pytest.mark.parametrize("picture", [noise(SIDE, SIDE), noise(6000, 3000), grey(36, 36), grey(40, 3000)])
def test_every_picture_becomes_a_file_of_a_size_that_the_service_takes(picture: Pixels, service: FaceService) -> None:
    content, _ = as_file(picture)
    assert SMALLEST_BYTES <= len(content) <= LARGEST_BYTES
    service.detector().detect(picture)
    assert service.double.statuses() == [200]


def test_a_picture_narrower_than_any_face_is_not_sent(service: FaceService) -> None:
    assert service.detector().detect(grey(35, 500)) == []
    assert service.double.seen == []


def test_the_pixels_arrive_as_they_are(service: FaceService) -> None:
    picture = cv2.GaussianBlur(noise(300, 200), (0, 0), 9)
    service.detector().detect(np.asarray(picture, np.uint8))
    sent = decode(service.double.seen[0].request.body).pixels
    assert float(np.abs(sent.astype(int) - picture.astype(int)).mean()) < 2


# ---- of the moment ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", [broken, dropped, lambda: refusal(503, "ServiceUnavailable", "")])
def test_a_service_that_fails_for_a_moment_is_asked_again(service: FaceService, fault: Any) -> None:
    service.double.faults.extend([fault, fault])
    assert len(service.detector().detect(grey())) == 1
    assert len(service.double.seen) == 3


@pytest.mark.parametrize(
    "fault",
    [
        broken,
        dropped,
        lambda: refusal(408, "OperationTimeOut", ""),
        lambda: Answer(status=502, body=b"<html>bad</html>"),
    ],
)
def test_one_that_goes_on_failing_is_left_for_later(service: FaceService, fault: Any) -> None:
    service.double.always = fault
    with pytest.raises(DetectorAwayError, match="nothing is lost") as caught:
        service.detector().detect(grey())
    assert isinstance(caught.value, TransientError)
    assert len(service.double.seen) == 5


def test_an_answer_that_never_comes_is_one_that_failed(service: FaceService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.vision.azure_face.ANSWER_SECONDS", 0.2)
    service.double.faults.append(slow(1.0))
    assert len(service.detector().detect(grey())) == 1


def test_an_answer_that_is_none_is_one_that_failed(service: FaceService) -> None:
    service.double.faults.append(lambda: Answer(body=b"<html>a proxy speaks</html>"))
    assert len(service.detector().detect(grey())) == 1


def test_too_many_requests_pause_everybody_for_as_long_as_the_service_says(service: FaceService) -> None:
    service.double.faults.append(lambda: too_many(1.0))
    detector, other = service.detector(), service.detector()
    told: list[float] = []
    detector.on_pause = told.append
    assert len(detector.detect(grey())) == 1
    other.detect(grey())
    times = [seen.at for seen in service.double.seen]
    assert service.double.statuses() == [429, 200, 200]
    assert times[1] - times[0] >= 0.95  # what the service asked for is a promise, not a speed
    assert told == [1.0]


def test_a_pause_longer_than_a_picture_can_wait_leaves_it_for_later(service: FaceService) -> None:
    service.double.faults.append(lambda: too_many(600.0))
    with pytest.raises(DetectorBusyError, match="later"):
        service.detector().detect(grey())
    with pytest.raises(DetectorBusyError):
        service.detector(patience=1.0).detect(grey())
    assert service.double.statuses() == [429]  # nobody asks within the pause


def test_a_service_that_is_not_there_is_left_for_later(service: FaceService) -> None:
    with pytest.raises(DetectorAwayError):
        service.detector(endpoint="https://127.0.0.1:9").detect(grey())


def test_a_certificate_that_nobody_vouches_for_is_not_believed(service: FaceService) -> None:
    with pytest.raises(DetectorAwayError):
        service.detector(ca_bundle="").detect(grey())
    assert service.double.seen == []


# ---- of the picture, and for good ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "fault",
    [invalid_image, lambda: refusal(400, "InvalidImageSize", "Image size is too big."), lambda: refusal(415, "", "")],
)
def test_a_picture_that_the_service_does_not_take_is_that_pictures_fault(service: FaceService, fault: Any) -> None:
    service.double.faults.append(fault)
    with pytest.raises(PictureRefusedError, match="Save it again"):
        service.detector().detect(grey())
    assert len(service.double.seen) == 1


def test_limited_access_says_what_happened_where_to_apply_and_what_to_do_meanwhile(service: FaceService) -> None:
    service.double.faults.append(limited_access)
    with pytest.raises(LimitedAccessError) as caught:
        service.detector().detect(grey())
    for part in (
        "limited access",
        "missing approval",
        "https://aka.ms/facerecognition",
        "FACE_DETECTOR_FALLBACK=embedded",
    ):
        assert part in str(caught.value)
    assert not isinstance(caught.value, TransientError)
    assert len(service.double.seen) == 1


def test_a_wrong_key_names_the_settings_and_never_the_key(service: FaceService) -> None:
    with pytest.raises(DetectorRefusesError, match="AZURE_FACE_KEY") as caught:
        service.detector(key="not-the-key").detect(grey())
    assert "not-the-key" not in str(caught.value)
    assert service.double.statuses() == [401]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda: refusal(403, "403", "Out of call volume quota for Face F0 pricing tier."), "Out of call volume quota"),
        (lambda: refusal(404, "404", "Resource not found"), "AZURE_FACE_ENDPOINT"),
        (lambda: refusal(400, "BadArgument", "'detectionModel' is invalid."), "detectionModel"),
    ],
)
def test_what_will_not_change_by_itself_stops_the_work(service: FaceService, fault: Any, said: str) -> None:
    service.double.faults.append(fault)
    with pytest.raises(DetectorRefusesError, match=said) as caught:
        service.detector().detect(grey())
    assert not isinstance(caught.value, (TransientError, LimitedAccessError))
    assert isinstance(caught.value, FaceProjectError)


def test_neither_logs_nor_descriptions_hold_the_key(service: FaceService, caplog: pytest.LogCaptureFixture) -> None:
    config = service.config(redis_url="redis://:secret@nowhere")
    service.double.faults.append(broken)
    with caplog.at_level(logging.DEBUG):
        service.detector().detect(grey())
    assert config.key not in caplog.text + repr(config)
    assert "secret" not in repr(config)
