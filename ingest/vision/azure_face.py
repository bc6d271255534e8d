"""The face detector of Azure: Azure AI Face, `detection_03`, by the vendor's client.

What is asked for is boxes and landmarks, never an identity: `returnFaceId` is always false (it is gated, and what we
could do with a faceId we do ourselves). Of the 27 landmarks five are taken, so the crop is cut as with any detector.

- A picture is sent as an upright JPEG whose longest side is at most SIDE. So any format that can be decoded is taken,
  none is over the service's 6 MB, and EXIF says nothing that the service might understand otherwise.
- Faces under 36 pixels are not found; in pictures over 1920 x 1080 the limit grows with the picture, so what is scaled
  down to SIDE loses little. At most 100 faces a picture, the largest.
- Azure says no confidence. Every face has SCORE, so the order is the service's: largest first.
"""

from __future__ import annotations

import io
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from ingest.vision.azure_errors import DetectorAwayError, away, error_of
from ingest.vision.azure_rate import MachineRate, RateLimit, RedisRate, interval_of, key_of, wait_for_slot
from ingest.vision.protocols import DetectedFace, Floats, Pixels
from ingest.vision.runtime import RuntimeUnavailableError
from ingest.vision.yunet import shrunk
from personas.errors import TransientError

logger = logging.getLogger(__name__)

MODEL: Final = "detection_03"
#: Said of every face, for the service says nothing: the mean of what YuNet says of the sample data's faces (.91),
#: rounded down, so that qualities of both detectors' faces can be compared.
SCORE: Final = 0.9
#: Longest side that is sent, pixels: that of the embedded detector's finest look.
SIDE: Final = 2048
#: Quality of the JPEG that is sent, and of one that was too large.
QUALITY, LOW_QUALITY = 92, 75
#: Of a file: https://learn.microsoft.com/azure/ai-services/computer-vision/concept-face-detection#input-requirements
SMALLEST_BYTES, LARGEST_BYTES = 1024, 6 * 2**20
#: Pixels of the smallest face; a picture that is narrower has none.
SMALLEST_FACE: Final = 36
#: Requests under way in one process, by tier, and so connections: at half a second each, two processes use all of S0's
#: rate; F0 gives a slot in three seconds, so one is enough.
AT_ONCE: Final = {"F0": 1, "S0": 4}
#: Seconds for a connection, and for an answer.
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 30.0
#: Seconds that a picture may take with all waits and retries; then it is looked at later, in another task.
PATIENCE: Final = 120.0
#: Tries of one picture while the service is away; pauses are drawn from zero to first * 2 ** tries.
TRIES: Final = 5
FIRST_PAUSE: Final = 0.5
#: Where a 429 does not say how long to wait, seconds.
PAUSE: Final = 5.0
_LANDMARKS: Final = ("pupil_left", "pupil_right", "nose_tip", "mouth_left", "mouth_right")
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureFace:
    """What an operator chooses. tier: F0 or S0. fallback: use the embedded detector where access is not approved.

    ca_bundle: PEM file of the authorities to trust; empty: the usual ones. redis_url, redis_ca, key_prefix: where the
    rate is shared; with an empty URL it is this machine's own, and kept in rate_folder. patience: seconds that a
    picture may take with all waits and retries.
    """

    endpoint: str
    key: str = field(repr=False)
    rate_folder: Path
    tier: str = "S0"
    fallback: bool = False
    ca_bundle: str = ""
    redis_url: str = field(default="", repr=False)
    redis_ca: str = ""
    key_prefix: str = "faceproject:"
    patience: float = PATIENCE

    def rate(self) -> RateLimit:
        """The rate of the tier, shared where that is possible."""
        interval, key = interval_of(self.tier), key_of(self.key_prefix, self.endpoint)
        if not self.redis_url:
            return MachineRate(self.rate_folder / key.replace(":", "-"), interval=interval)
        return RedisRate(self.redis_url, key=key, interval=interval, tls_ca=self.redis_ca)


class AzureFaceDetector:
    """Asks Azure Face for the faces of a picture; for several threads at once.

    on_pause: told the seconds of each pause that the service asks for. first_pause: seconds, before the second try of a
    picture that the service has no answer for; each pause after it may be twice as long.
    """

    name = "azure"
    version = MODEL

    def __init__(
        self, config: AzureFace, *, rate: RateLimit | None = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Raises RuntimeUnavailableError when the client is not installed."""
        self.on_pause: Callable[[float], None] = lambda seconds: None
        self.first_pause = FIRST_PAUSE
        self._patience = config.patience
        self._client = _client(config)
        self._rate = rate or config.rate()
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(AT_ONCE[config.tier], thread_name_prefix="azure-face")

    def begin(self, picture: Pixels) -> Future[list[DetectedFace]]:
        """`detect`, in another thread: the service's time costs none of ours."""
        return self._threads.submit(self.detect, picture)

    def detect(self, picture: Pixels) -> list[DetectedFace]:
        """Faces of `picture` (uint8 (H, W, 3), BGR, upright), largest first.

        Raises PictureRefusedError (this picture), DetectorBusyError and DetectorAwayError (now), TransientError (Redis)
        and DetectorRefusesError, LimitedAccessError (for good).
        """
        if min(picture.shape[:2]) < SMALLEST_FACE:
            return []
        content, scale = as_file(picture)
        return [_face(found, scale) for found in self._ask(content)]

    def require_access(self) -> None:
        """Ask once, with a grey picture. Raises what `detect` raises, LimitedAccessError above all."""
        self.detect(np.full((64, 64, 3), 128, np.uint8))

    def _ask(self, content: bytes) -> list[Any]:
        """Waits, asks, and asks again where that may help."""
        until = time.monotonic() + self._patience
        tries = 0
        while True:
            wait_for_slot(self._rate, patience=until - time.monotonic(), sleep=self._sleep)
            try:
                return self._detect(content)
            except _TooManyError as error:
                self._pause(error.seconds)
            except DetectorAwayError as error:
                tries += 1
                seconds = random.uniform(0, self.first_pause * 2**tries)  # noqa: S311  no secret
                if tries >= TRIES or time.monotonic() + seconds > until:
                    raise
                logger.info("asked again in %.1f s: %s", seconds, error)
                self._sleep(seconds)

    def _pause(self, seconds: float) -> None:
        logger.warning("Azure Face has too many requests; nobody asks for %.1f s", seconds)
        self._rate.pause(seconds)
        self.on_pause(seconds)

    def _detect(self, content: bytes) -> list[Any]:
        """One request. Raises _TooManyError and what `error_of` says."""
        from azure.cognitiveservices.vision.face.models import APIErrorException
        from azure.core.exceptions import DeserializationError
        from msrest.exceptions import ClientException

        try:
            found = self._client.face.detect_with_stream(
                io.BytesIO(content), return_face_id=False, return_face_landmarks=True, detection_model=MODEL
            )
            return list(found)
        except APIErrorException as error:
            response = error.response
            if response.status_code == _TOO_MANY:
                raise _TooManyError(_seconds(response.headers.get("Retry-After"))) from error
            raise error_of(response.status_code, response.text) from error
        except (ClientException, DeserializationError) as error:  # no connection, no answer, or none that can be read
            raise away(error) from error


class _TooManyError(TransientError):
    """429: nobody asks for so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def as_file(picture: Pixels) -> tuple[bytes, float]:
    """`picture` (uint8 (H, W, 3), BGR) as a file that the service takes, and the scale it was brought to (1: as it is).

    A small flat picture is too few bytes as JPEG, and goes as BMP.
    """
    small, scale = shrunk(picture, SIDE)
    content = _encoded(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if len(content) > LARGEST_BYTES:
        content = _encoded(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, LOW_QUALITY])
    return (_encoded(".bmp", small, []) if len(content) < SMALLEST_BYTES else content), scale


def _encoded(suffix: str, picture: Pixels, parameters: list[int]) -> bytes:
    _, content = cv2.imencode(suffix, picture, parameters)
    return bytes(content)


def _face(found: Any, scale: float) -> DetectedFace:
    """A face as the service has it, in pixels of the picture before it was scaled."""
    box, points = found.face_rectangle, [getattr(found.face_landmarks, name) for name in _LANDMARKS]
    landmarks: Floats = np.array([[point.x, point.y] for point in points], np.float32) / np.float32(scale)
    x, y, width, height = (side / scale for side in (box.left, box.top, box.width, box.height))
    return DetectedFace(box=(x, y, width, height), landmarks=landmarks, score=SCORE)


def _seconds(retry_after: str | None) -> float:
    """What Retry-After says, in its usual form, which is whole seconds."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else PAUSE


def _client(config: AzureFace) -> Any:
    """The vendor's client, which retries nothing by itself: a retry takes a slot, too. Raises RuntimeUnavailableError.

    Its sessions are one a thread, so one client serves all.
    """
    try:
        from azure.cognitiveservices.vision.face import FaceClient
        from msrest.authentication import CognitiveServicesCredentials
    except ImportError as error:
        raise RuntimeUnavailableError(
            "The detector azure is chosen and its client is not installed. Run `pip install -r "
            "requirements-azure.txt`, or set FACE_DETECTOR=embedded."
        ) from error
    client = FaceClient(config.endpoint.rstrip("/"), CognitiveServicesCredentials(config.key))
    client.config.retry_policy.retries = 0
    client.config.connection.timeout = (CONNECT_SECONDS, ANSWER_SECONDS)
    client.config.connection.data_block_size = LARGEST_BYTES  # a picture in one piece
    if config.ca_bundle:
        client.config.connection.verify = config.ca_bundle
    return client
