"""The recipe of LibrePhotos and of every face_recognition user, as a yardstick: how many persons it finds and invents.

Per picture: decode with Pillow, dlib's HOG detector on the picture enlarged once, five landmarks, dlib's ResNet (128
numbers a face). Per library: scikit-learn's MLPClassifier (as LibrePhotos configures it) on the labelled faces, and a
name wherever its probability reaches 0.5. Measured on data/presidents beside the product: recall by category, strangers
named. The speed of the same recipe is measured in ingest.py.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.installation import Installation
from benchmarks.report import Goal, Row, SkippedError
from benchmarks.settings import Bench, SeedPicture, seed_pictures

#: LibrePhotos names a face from this probability on.
CUT_OFF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeerFace:
    """centre: (x, y) pixels; embedding: float64 (128,)."""

    centre: tuple[float, float]
    embedding: npt.NDArray[np.float64]


class PeersExtractor:
    """Decode, HOG, five points, ResNet: what `face_recognition.face_locations` and `face_encodings` do by default."""

    def __init__(self) -> None:
        import dlib

        weights = peers_weights()
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(weights / "shape_predictor_5_face_landmarks.dat"))
        self._network = dlib.face_recognition_model_v1(str(weights / "dlib_face_recognition_resnet_model_v1.dat"))

    def extract(self, path: Path) -> list[PeerFace]:
        with Image.open(path) as picture:
            pixels = np.array(picture.convert("RGB"))
        faces = []
        for box in self._detector(pixels, 1):
            vector = self._network.compute_face_descriptor(pixels, self._landmarks(pixels, box), 1)
            centre = box.center()
            faces.append(PeerFace(centre=(centre.x, centre.y), embedding=np.array(vector)))
        return faces


def peers_weights() -> Path:
    """The folder of dlib's weight files. Raises SkippedError."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or not spec.submodule_search_locations or importlib.util.find_spec("dlib") is None:
        raise SkippedError("the peers' packages are not installed; run `pip install -r requirements-bench.txt`")
    return Path(next(iter(spec.submodule_search_locations))) / "models"


_extractor: PeersExtractor | None = None


def _start() -> None:
    global _extractor
    _extractor = PeersExtractor()


def _extract(path: Path) -> tuple[list[PeerFace], float]:
    """Faces, and CPU seconds."""
    assert _extractor is not None
    started = time.process_time()
    faces = _extractor.extract(path)
    return faces, time.process_time() - started


def one_thread() -> None:
    """Let native libraries of processes started from here on use one thread each."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def peers_pool(n_processes: int) -> Pool:
    """Processes of one thread with the models loaded."""
    peers_weights()
    one_thread()
    return multiprocessing.get_context("spawn").Pool(n_processes, initializer=_start)


def extract_all(pool: Pool, paths: Sequence[Path]) -> tuple[list[list[PeerFace]], float]:
    """Faces of each picture, and CPU seconds in all."""
    outcomes = pool.map(_extract, paths, chunksize=4)
    return [faces for faces, _ in outcomes], sum(seconds for _, seconds in outcomes)


def measure(bench: Bench) -> Iterable[Row]:
    folder = bench.data("presidents")
    pictures = seed_pictures(folder)
    with peers_pool(bench.n_processes) as pool:
        found, _ = extract_all(pool, [picture.path for picture in pictures])
    theirs = _judge(pictures, found)
    ours = _ours(bench, folder)
    yield from _rows(theirs, ours)


def _rows(theirs: dict[str, float], ours: dict[str, float]) -> Iterator[Row]:
    goals = {"recall, presidential": Goal(at_least=99), "strangers named, noise": Goal(at_most=0.5)}
    for name in sorted(set(theirs) & set(ours)):
        yield Row(
            what=f"first version: {name}",
            figure=ours[name],
            unit="%",
            goal=goals.get(name),
            beside=f"the peers' recipe: {theirs[name]:.1f} %",
        )


def _judge(pictures: Sequence[SeedPicture], found: Sequence[Sequence[PeerFace]]) -> dict[str, float]:
    """Shares in percent of what the recipe makes of the pictures that are not labelled."""
    from sklearn.neural_network import MLPClassifier

    main = [_main_face(picture.path, faces) for picture, faces in zip(pictures, found, strict=True)]
    labelled = [
        (face.embedding, picture.persona)
        for picture, face in zip(pictures, main, strict=True)
        if picture.labeled and picture.persona and face
    ]
    # LibrePhotos' own parameters.
    network = MLPClassifier(solver="adam", alpha=1e-5, random_state=1, max_iter=1000)
    network.fit(np.array([vector for vector, _ in labelled]), [name for _, name in labelled])
    hits: dict[str, list[bool]] = defaultdict(list)
    for picture, face in zip(pictures, main, strict=True):
        if picture.labeled or picture.category == "no-face":
            continue
        named = _named(network, face)
        if picture.persona:
            hits[f"recall, {picture.category}"].append(named == picture.persona)
        else:
            hits[f"strangers named, {picture.category}"].append(named is not None)
    return {name: 100 * float(np.mean(each)) for name, each in hits.items()}


def _named(network: Any, face: PeerFace | None) -> str | None:
    if face is None:
        return None
    probabilities = network.predict_proba(face.embedding[None])[0]
    best = int(np.argmax(probabilities))
    return str(network.classes_[best]) if probabilities[best] >= CUT_OFF else None


def _main_face(path: Path, faces: Sequence[PeerFace]) -> PeerFace | None:
    """The face nearest the middle, which is the one a sidecar speaks of."""
    with Image.open(path) as picture:
        x, y = picture.width / 2, picture.height / 2
    return min(faces, key=lambda face: (face.centre[0] - x) ** 2 + (face.centre[1] - y) ** 2, default=None)


def _ours(bench: Bench, folder: Path) -> dict[str, float]:
    """The same shares of the product's first version."""
    installation = Installation.create(bench.scratch / "home")
    installation.manage("ingest", str(folder), exit_codes=(0, 3))
    installation.manage("train")
    return shares(installation.manage("evaluate"))


def shares(report: dict[str, Any]) -> dict[str, float]:
    """`manage.py evaluate --json` in percent: "recall, CATEGORY" and "strangers named, CATEGORY"."""
    found = {f"recall, {name}": 100 * row["recall"] for name, row in report["categories"].items()}
    by_category = report["strangers"]["by_category"]
    return found | {f"strangers named, {name}": 100 * row["share"] for name, row in by_category.items()}
