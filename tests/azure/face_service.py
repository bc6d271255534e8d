"""The double of Azure Face as tests use it: a server, and a detector that asks it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.vision import DetectedFace
from ingest.vision.azure_face import AzureFace, AzureFaceDetector
from ingest.vision.protocols import FaceDetector, Pixels
from tests.azure_double.face import KEY, FaceDouble
from tests.azure_double.https import Authority, HttpsServer
from tests.conftest import REPOSITORY

SWAGGER = "swagger-2021/specification/cognitiveservices/data-plane/Face/stable/v1.0"


def specification() -> tuple[dict[str, Any], Path]:
    """The service's official specification, and the folder of its examples; the test is skipped where it is absent."""
    specs = Path(os.environ.get("FACEPROJECT_AZURE_SPECS") or REPOSITORY.parent / "shared" / "azure-specs")
    if not (specs / SWAGGER / "Face.json").is_file():
        pytest.skip(f"no data: {specs} (set FACEPROJECT_AZURE_SPECS)")
    return json.loads((specs / SWAGGER / "Face.json").read_text()), specs / SWAGGER / "examples"


class OneFace:
    """Finds one face in the middle of every picture, at once: for tests of all that is not about faces."""

    name = "one-face"
    version = "1"

    def detect(self, picture: Pixels) -> list[DetectedFace]:
        height, width = picture.shape[:2]
        box = (width / 4, height / 4, width / 2, height / 2)
        places = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)
        return [DetectedFace(box=box, landmarks=np.array(box[:2], np.float32) + places * box[2:], score=1.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceService:
    """A double that serves."""

    double: FaceDouble
    url: str
    bundle: Path
    folder: Path  #: of the rate, where no Redis keeps it

    def config(self, **options: Any) -> AzureFace:
        """How to ask it."""
        chosen: dict[str, Any] = {
            "endpoint": self.url,
            "key": KEY,
            "ca_bundle": str(self.bundle),
            "rate_folder": self.folder,
            "patience": 20.0,
        }
        return AzureFace(**(chosen | options))

    def detector(self, **options: Any) -> AzureFaceDetector:
        """The product's detector, that asks it."""
        return AzureFaceDetector(self.config(**options))

    def environment(self) -> dict[str, str]:
        """Settings of a process that asks it."""
        return {
            "FACE_DETECTOR": "azure",
            "AZURE_FACE_ENDPOINT": self.url,
            "AZURE_FACE_KEY": KEY,
            "AZURE_CA_BUNDLE": str(self.bundle),
        }


@contextmanager
def face_service(
    folder: Path, *, detector: FaceDetector | None = None, tier: str | None = None
) -> Iterator[FaceService]:
    """Serves while the block runs. tier: whose rate is held; None: none."""
    authority = Authority(folder)
    double = FaceDouble(detector or OneFace(), tier=tier)
    with HttpsServer(double.answer, authority) as server:
        yield FaceService(double=double, url=server.url, bundle=authority.bundle, folder=folder / "rate")
