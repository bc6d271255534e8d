"""A double of Azure Face: `POST /face/v1.0/detect`, as the service's specification has it.

It looks for faces really, with the embedded detector, so that all that comes after detection works on its answers. What
is gated in the real service is refused here, rates are held, and every request is recorded with the time it came.
Messages are those that Azure's reference of error codes lists; of limited access, those that its users report.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ingest.vision import DetectedFace, FaceDetector, PictureError, decode
from ingest.vision.protocols import Floats
from tests.azure_double.https import Answer, DroppedError, Request

KEY: Final = "0123456789abcdef0123456789abcdef"
SMALLEST_BYTES, LARGEST_BYTES = 1024, 6 * 2**20
MOST_FACES: Final = 100
SMALLEST_FACE: Final = 36
#: Formats that the service decodes.
FORMATS: Final = frozenset({"JPEG", "PNG", "GIF", "BMP"})
#: Requests by tier: so many in so many seconds.
TIERS: Final = {"F0": (20, 60.0), "S0": (10, 1.0)}
_KNOWN: Final = frozenset(
    {
        "returnFaceId",
        "returnFaceLandmarks",
        "returnFaceAttributes",
        "recognitionModel",
        "returnRecognitionModel",
        "detectionModel",
        "faceIdTimeToLive",
    }
)

#: Where the 27 landmarks of a face lie beside the five: weights of left pupil, right pupil, nose tip, left and right
#: mouth corner. Each row sums to 1, so that they turn and grow with the face.
_LANDMARKS: Final[Mapping[str, tuple[float, float, float, float, float]]] = {
    "pupilLeft": (1, 0, 0, 0, 0),
    "pupilRight": (0, 1, 0, 0, 0),
    "noseTip": (0, 0, 1, 0, 0),
    "mouthLeft": (0, 0, 0, 1, 0),
    "mouthRight": (0, 0, 0, 0, 1),
    "eyebrowLeftOuter": (1.5, -0.45, 0, -0.05, 0),
    "eyebrowLeftInner": (0.95, 0.35, 0, -0.3, 0),
    "eyeLeftOuter": (1.2, -0.2, 0, 0, 0),
    "eyeLeftTop": (1.08, 0, 0, -0.08, 0),
    "eyeLeftBottom": (0.92, 0, 0, 0.08, 0),
    "eyeLeftInner": (0.8, 0.2, 0, 0, 0),
    "eyebrowRightInner": (0.35, 0.95, 0, 0, -0.3),
    "eyebrowRightOuter": (-0.45, 1.5, 0, 0, -0.05),
    "eyeRightInner": (0.2, 0.8, 0, 0, 0),
    "eyeRightTop": (0, 1.08, 0, 0, -0.08),
    "eyeRightBottom": (0, 0.92, 0, 0, 0.08),
    "eyeRightOuter": (-0.2, 1.2, 0, 0, 0),
    "noseRootLeft": (0.6, 0.4, 0, 0, 0),
    "noseRootRight": (0.4, 0.6, 0, 0, 0),
    "noseLeftAlarTop": (0.35, 0.1, 0.55, 0, 0),
    "noseRightAlarTop": (0.1, 0.35, 0.55, 0, 0),
    "noseLeftAlarOutTip": (0.2, 0, 0.6, 0.2, 0),
    "noseRightAlarOutTip": (0, 0.2, 0.6, 0, 0.2),
    "upperLipTop": (0, 0, 0.3, 0.35, 0.35),
    "upperLipBottom": (0, 0, 0.15, 0.425, 0.425),
    "underLipTop": (0, 0, -0.1, 0.55, 0.55),
    "underLipBottom": (0, 0, -0.25, 0.625, 0.625),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came. at: by time.monotonic(), of its arrival. status: of the answer; 0: none was given."""

    at: float
    request: Request
    status: int
    content: Any


@dataclass(slots=True)
class Bucket:
    """Holds `size` tokens, and gains as many in `seconds`."""

    size: float
    seconds: float
    tokens: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.at = self.size, time.monotonic()

    def take(self) -> float:
        """0 when a token was taken, else the seconds until there is one."""
        now = time.monotonic()
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.size / self.seconds)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * self.seconds / self.size


Fault = Callable[[], Answer]


class FaceDouble:
    """The service: hand `answer` to an HttpsServer.

    detector: finds the faces. tier: F0 or S0; None holds no rate.
    """

    def __init__(self, detector: FaceDetector, *, key: str = KEY, tier: str | None = None) -> None:
        self.detector = detector
        self.key = key
        self.bucket = Bucket(*TIERS[tier]) if tier else None
        self.seen: list[Seen] = []
        self.faults: deque[Fault] = deque()  #: taken one a request, before anything is looked at
        self.always: Fault | None = None  #: what every request meets, once there are no faults left
        self._counting = threading.Lock()
        self._looking = threading.Lock()  # one detector, many threads

    def answer(self, request: Request) -> Answer:
        """What the service says."""
        at = time.monotonic()
        try:
            answer = self._answer(request)
        except DroppedError:
            self._record(Seen(at=at, request=request, status=0, content=None))
            raise
        self._record(Seen(at=at, request=request, status=answer.status, content=answer.content))
        return answer

    def statuses(self) -> list[int]:
        """Of all answers, in the order they were given."""
        return [seen.status for seen in self.seen]

    def _record(self, seen: Seen) -> None:
        with self._counting:
            self.seen.append(seen)

    def _answer(self, request: Request) -> Answer:
        with self._counting:
            fault = self.faults.popleft() if self.faults else self.always
        if fault is not None:
            return fault()
        if (request.method, request.path) != ("POST", "/face/v1.0/detect"):
            return refusal(404, "404", "Resource not found")
        if request.headers.get("ocp-apim-subscription-key") != self.key:
            return wrong_key()
        if self.bucket is not None:
            with self._counting:
                seconds = self.bucket.take()
            if seconds:
                return too_many(seconds)
        return self._refusal(request) or self._detect(request)

    def _refusal(self, request: Request) -> Answer | None:
        query = request.query
        if unknown := set(query) - _KNOWN:
            return refusal(400, "BadArgument", f"{sorted(unknown)[0]} is no parameter.")
        if request.headers.get("content-type") != "application/octet-stream":
            return refusal(415, "UnsupportedMediaType", "Unsupported media type.")
        if query.get("returnFaceId", "true") != "false":  # the default is what is gated
            return limited_access()
        if query.get("detectionModel", "detection_01") not in {"detection_01", "detection_02", "detection_03"}:
            return refusal(400, "BadArgument", "'detectionModel' is invalid.")
        if not re.fullmatch(r"recognition_0[1-4]", query.get("recognitionModel", "recognition_01")):
            return refusal(400, "BadArgument", "'recognitionModel' is invalid.")
        if query.get("returnFaceAttributes"):
            return refusal(400, "BadArgument", "Invalid argument returnFaceAttributes.")
        if len(request.body) < SMALLEST_BYTES:
            return refusal(400, "InvalidImageSize", "Image size is too small.")
        if len(request.body) > LARGEST_BYTES:
            return refusal(400, "InvalidImageSize", "Image size is too big.")
        return None

    def _detect(self, request: Request) -> Answer:
        try:
            picture = decode(request.body)
        except PictureError:
            return invalid_image()
        if picture.format not in FORMATS:
            return invalid_image()
        with self._looking:
            faces = self.detector.detect(picture.pixels)
        faces = [face for face in faces if min(face.box[2:]) >= _smallest(picture.width, picture.height)]
        largest = sorted(faces, key=lambda face: -face.box[2] * face.box[3])[:MOST_FACES]
        wants_landmarks = request.query.get("returnFaceLandmarks") == "true"
        return Answer(content=[_face(face, landmarks=wants_landmarks) for face in largest])


def _smallest(width: int, height: int) -> float:
    """Pixels of the smallest face that is found: more in pictures over 1920 by 1080."""
    return SMALLEST_FACE * max(1.0, max(width, height) / 1920, min(width, height) / 1080)


def _face(face: DetectedFace, *, landmarks: bool) -> dict[str, Any]:
    left, top, width, height = (round(side) for side in face.box)
    found: dict[str, Any] = {"faceRectangle": {"top": top, "left": left, "width": width, "height": height}}
    if landmarks:
        found["faceLandmarks"] = landmarks_27(face.landmarks)
    return found


def landmarks_27(five: Floats) -> dict[str, dict[str, float]]:
    """All 27 landmarks of a face from its five, float32 (5, 2), pixels; the five are as they are, to a tenth."""
    names, weights = list(_LANDMARKS), np.array(list(_LANDMARKS.values()), np.float32)
    points = (weights @ five).tolist()
    return {name: {"x": round(x, 1), "y": round(y, 1)} for name, (x, y) in zip(names, points, strict=True)}


# ---- answers of its own ----------------------------------------------------------------------------------------------
def refusal(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    """An error as the service words it."""
    return Answer(status=status, headers=headers or {}, content={"error": {"code": code, "message": message}})


def wrong_key() -> Answer:
    """401."""
    message = (
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
        "active subscription and use a correct regional API endpoint for your resource."
    )
    return refusal(401, "401", message)


def limited_access() -> Answer:
    """403 of a subscription without approval, or of who asks for what needs one."""
    reason = (
        "Feature is not supported, missing approval for one or more of the following features: "
        "Identification,Verification. Please apply for access at https://aka.ms/facerecognition"
    )
    inner = {"code": "UnsupportedFeature", "message": reason}
    error = {"code": "InvalidRequest", "message": "Invalid request has been sent.", "innererror": inner}
    return Answer(status=403, content={"error": error})


def too_many(seconds: float) -> Answer:
    """429; whole seconds, as the header has them."""
    wait = max(1, int(-(-seconds // 1)))
    message = f"Rate limit is exceeded. Try again in {wait} seconds."
    return refusal(429, "429", message, headers={"retry-after": str(wait)})


def invalid_image() -> Answer:
    """400 of bytes that are no picture to the service."""
    return refusal(400, "InvalidImage", "Decoding error, image format unsupported.")


def broken() -> Answer:
    """500."""
    return refusal(500, "InternalServerError", "Internal server error.")


def dropped() -> Answer:
    """The connection ends."""
    raise DroppedError


def slow(seconds: float) -> Fault:
    """Nothing for so long, then 503."""

    def answer() -> Answer:
        time.sleep(seconds)
        return refusal(503, "ServiceUnavailable", "The service is temporarily unavailable.")

    return answer
