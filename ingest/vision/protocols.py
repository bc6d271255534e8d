"""The seams of face extraction: what a detector and an embedder promise, and what comes out of a picture.

Pictures are `uint8 (H, W, 3)` in OpenCV's channel order (blue, green, red) and upright: EXIF orientation is already
applied. All coordinates are pixels of that upright picture, the origin at its top left corner.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DetectedFace:
    """One face as a detector sees it.

    box: (x, y, width, height), pixels. landmarks: float32 (5, 2), pixels, in the order left eye, right eye, nose tip,
    left and right mouth corner, where left and right are the picture's; a landmark of a face cut by the border may lie
    outside the picture. score: the detector's confidence, 0..1.
    """

    box: Box
    landmarks: Floats
    score: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExtractedFace(DetectedFace):
    """A detected face with what recognition needs.

    quality: 0..1, how much the embedding can be trusted: from an embedder that rates its vectors the cosine to expect
    with a clear portrait of the same person, else the detector's score. embedding: float32 (dim,), L2-normalised.
    """

    quality: float
    embedding: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extraction:
    """All faces of one picture, highest score first; no face is an empty tuple.

    width, height: pixels of the upright picture. format: JPEG, PNG, WEBP, GIF, BMP or HEIF. detector, embedder: the
    tags (`name version`) of what made the boxes and the embeddings; vectors with different embedder tags never mix.
    """

    width: int
    height: int
    format: str
    faces: tuple[ExtractedFace, ...]
    detector: str
    embedder: str


class FaceDetector(Protocol):
    """Finds faces and their five landmarks."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def detect(self, picture: Pixels) -> list[DetectedFace]:
        """Faces of `picture` (uint8 (H, W, 3), BGR, upright), highest score first."""
        ...


@runtime_checkable
class FaintDetector(FaceDetector, Protocol):
    """A detector that can be told that there is a face, and then looks harder."""

    def detect_faint(self, picture: Pixels) -> list[DetectedFace]:
        """As `detect`, with faces that it would not vouch for."""
        ...


@runtime_checkable
class RemoteDetector(FaceDetector, Protocol):
    """A detector that computes elsewhere: several pictures may be under way, and it may have to pause.

    on_pause: set it to be told the seconds of each pause, in whatever thread.
    """

    on_pause: Callable[[float], None]

    def begin(self, picture: Pixels) -> Future[list[DetectedFace]]:
        """`detect`, while the caller goes on. The picture is not changed until it is done."""
        ...


class FaceEmbedder(Protocol):
    """Turns aligned crops into vectors whose dot product tells whether two faces are one person."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed(self, crops: Pixels) -> Floats:
        """crops: uint8 (n, 112, 112, 3), BGR, aligned. Returns float32 (n, dim), L2-normalised; n may be 0."""
        ...


@runtime_checkable
class RatingEmbedder(FaceEmbedder, Protocol):
    """An embedder that also tells how much each of its vectors can be trusted."""

    def embed_rated(self, crops: Pixels, scores: Floats) -> tuple[Floats, Floats]:
        """`embed(crops)`, and for each the quality, float32 (n,), 0..1. scores: of the detector, float32 (n,)."""
        ...


def tag(model: FaceDetector | FaceEmbedder) -> str:
    """`name version`, the tag that travels with every face the model made."""
    return f"{model.name} {model.version}"
