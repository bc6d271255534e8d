"""What an answer of Azure Face means: of the picture, of the moment, or of the account.

Three kinds, and they are never mixed up: a picture that the service does not take is rejected (PictureError), a service
that is busy or away is asked again later (TransientError), and one that refuses us stops the work with a message that
says what to do. Codes and messages: https://learn.microsoft.com/azure/ai-services/computer-vision/reference-face-error-codes
"""

from __future__ import annotations

import json
from typing import Final

from ingest.vision.pictures import PictureError
from personas.errors import FaceProjectError, TransientError

#: Codes of a 400 that speak of the picture.
_OF_THE_PICTURE: Final = frozenset({"InvalidImage", "InvalidImageSize"})
#: Beside all from 500 on: time-out, conflict.
_OF_THE_MOMENT: Final = frozenset({408, 409})
_APPLY: Final = "https://aka.ms/facerecognition"


class PictureRefusedError(PictureError):
    """The detector's service does not take this picture."""

    reason = "refused_by_detector"


class DetectorBusyError(TransientError):
    """The rate of the service is used up for longer than a picture can wait."""


class DetectorAwayError(TransientError):
    """The service does not answer, or answers that it is broken."""


class DetectorRefusesError(FaceProjectError):
    """The service does not do what we ask, and will not do so later: a key, an address, a quota, a firewall."""


class LimitedAccessError(DetectorRefusesError):
    """The subscription is not approved for Azure Face."""


def error_of(status: int, body: str) -> FaceProjectError:
    """What an answer other than 200 and 429 means. body: of the answer, JSON or not."""
    code, said = _said(body)
    match status:
        case 400 | 415 if status == 415 or code in _OF_THE_PICTURE:
            return PictureRefusedError(f"Azure Face does not take the picture ({said}). Save it again as JPEG.")
        case 401:
            return DetectorRefusesError(
                "Azure Face refuses the key (401). Set AZURE_FACE_KEY and AZURE_FACE_ENDPOINT to what the page 'Keys "
                "and Endpoint' of the resource shows; a key works with its own endpoint only."
            )
        case 403 if _is_limited_access(code, said):
            return LimitedAccessError(
                f"Azure Face is limited access, and this subscription is not approved for what was asked ({said}). "
                f"Apply at {_APPLY}; approval takes days. Until then set FACE_DETECTOR_FALLBACK=embedded, and the "
                "embedded detector does the work, or FACE_DETECTOR=embedded."
            )
        case 403:
            return DetectorRefusesError(
                f"Azure Face forbids the request ({said}). It may be a used-up quota of the tier, or a firewall of the "
                "resource: look at its page in the portal, then retry."
            )
        case _ if status in _OF_THE_MOMENT or status >= 500:
            return DetectorAwayError(
                f"Azure Face does not answer as it should ({status}). The work goes on when it does; nothing is lost."
            )
    return DetectorRefusesError(
        f"Azure Face does not understand the request ({status}: {said}). Is AZURE_FACE_ENDPOINT the endpoint of a Face "
        "resource?"
    )


def away(error: BaseException) -> DetectorAwayError:
    """What is said when there was no answer."""
    why = type(getattr(error, "inner_exception", None) or error).__name__
    return DetectorAwayError(f"Azure Face does not answer ({why}). The work goes on when it does; nothing is lost.")


def _is_limited_access(code: str, said: str) -> bool:
    return code == "UnsupportedFeature" or "approval" in said.lower() or _APPLY.removeprefix("https://") in said


def _said(body: str) -> tuple[str, str]:
    """Code and message, the inner ones where there are such: they tell more."""
    try:
        error = json.loads(body)
        error = error.get("error", error)
        error = error.get("innererror", error)
        return str(error.get("code", "")), str(error.get("message", ""))[:300].rstrip(". ") or "no reason given"
    except (ValueError, AttributeError):
        return "", "no reason given"
