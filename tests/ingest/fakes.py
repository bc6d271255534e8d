"""An extractor that needs no weights: squares of a strong colour are faces, and their colour is who they are.

It is the real FaceExtractor around a detector and an embedder of its own, so decoding, errors and crops are real. The
functions are factories for FACE_EXTRACTOR; each behaves badly in its own way.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np

from ingest.vision import DetectedFace, ExtractorConfig, FaceExtractor
from ingest.vision.protocols import Floats, Pixels

#: Colours (red, green, blue) of people in tests.
RED, GREEN, BLUE = (220, 30, 30), (30, 200, 40), (40, 60, 220)
#: A square of this colour ends the process that looks at it, in `deadly`.
MAGENTA = (230, 20, 230)

_PLACES = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)


class SquareDetector:
    """Finds squares of a strong colour on a grey ground, the largest first."""

    name = "squares"

    def __init__(self, *, version: str = "1", pause: float = 0.0, deadly: bool = False) -> None:
        self.version = version
        self.pause = pause
        self.deadly = deadly

    def detect(self, picture: Pixels) -> list[DetectedFace]:
        time.sleep(self.pause)
        wide = picture.astype(np.int16)
        strong = (wide.max(axis=2) - wide.min(axis=2) > 90).astype(np.uint8)
        _, _, found, _ = cv2.connectedComponentsWithStats(strong)
        boxes = sorted(
            (tuple(map(float, row[:4])) for row in found[1:] if row[4] > 50), key=lambda b: (-b[2] * b[3], b)
        )
        for x, y, width, height in boxes:
            blue, green, red = picture[int(y + height / 2), int(x + width / 2)]
            if self.deadly and red > 200 and green < 60 and blue > 200:
                os.kill(os.getpid(), signal.SIGSEGV)
        return [
            DetectedFace(box=box, landmarks=np.array(box[:2], np.float32) + _PLACES * box[2:], score=0.9)
            for box in boxes
        ]


class ColourEmbedder:
    """A vector that depends on the mean colour only."""

    name = "colour"
    version = "1"
    dim = 128

    def embed(self, crops: Pixels) -> Floats:
        if not len(crops):
            return np.empty((0, self.dim), np.float32)
        colours = crops.reshape(len(crops), -1, 3).astype(np.float64).mean(axis=1) / 255 - 0.4
        vectors = colours @ np.random.default_rng(7).standard_normal((3, self.dim))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _around(detector: SquareDetector, config: ExtractorConfig) -> FaceExtractor:
    return FaceExtractor(detector, ColourEmbedder(), max_pixels=config.max_pixels)


def squares(config: ExtractorConfig) -> FaceExtractor:
    return _around(SquareDetector(), config)


def newer_squares(config: ExtractorConfig) -> FaceExtractor:
    return _around(SquareDetector(version="2"), config)


def slow(config: ExtractorConfig) -> FaceExtractor:
    return _around(SquareDetector(pause=0.03), config)


def deadly(config: ExtractorConfig) -> FaceExtractor:
    """Dies of a segmentation fault over magenta."""
    return _around(SquareDetector(deadly=True), config)


def dies_once(config: ExtractorConfig) -> FaceExtractor:
    """The first process that sees magenta is killed; those after it are not."""
    mark = Path(config.cache_dir) / "died-once"

    class Mortal(SquareDetector):
        def detect(self, picture: Pixels) -> list[DetectedFace]:
            faces = super().detect(picture)
            if faces and not mark.exists() and tuple(picture[5, 5]) == (1, 2, 3):
                mark.parent.mkdir(parents=True, exist_ok=True)
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return faces

    return _around(Mortal(), config)


def broken(config: ExtractorConfig) -> FaceExtractor:
    """Fails on every picture in a way nobody foresaw."""

    class Broken(SquareDetector):
        def detect(self, picture: Pixels) -> list[DetectedFace]:
            raise ZeroDivisionError

    return _around(Broken(), config)


def fails_first(config: ExtractorConfig) -> FaceExtractor:
    """Fails on the first picture of each process, as after a passing shortage."""

    class Moody(SquareDetector):
        calls = 0

        def detect(self, picture: Pixels) -> list[DetectedFace]:
            self.calls += 1
            if self.calls == 1:
                raise ZeroDivisionError
            return super().detect(picture)

    return _around(Moody(), config)


def endless(config: ExtractorConfig) -> FaceExtractor:
    """Never comes back from a picture."""
    return _around(SquareDetector(pause=3600.0), config)


def stillborn(config: ExtractorConfig) -> FaceExtractor:
    """Ends the process before it is ready."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
