"""The open-set protocol of data/lfw-dev: 5 labels for each of 81 people, 1,393 probes of theirs, 2,750 strangers.

The product's classifier at its own operating point; nothing here chooses a cut-off. Every row is measured twice: with
all unlabelled faces as background, as the product has them once the pictures are ingested, and with nothing but the
labels, as for pictures that come later. A probe counts when it is named, and rightly. Calibration is measured over
probes and strangers together. Beside it: the classifier the peers use, on the same embeddings.
"""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.peers_recipe import CUT_OFF, one_thread
from benchmarks.report import Goal, Row
from benchmarks.settings import Bench
from ingest.vision import ExtractedFace, ExtractorConfig, FaceExtractor, PictureError, build_extractor
from training.classifier import PersonaClassifier
from training.metrics import calibration_error

Float32 = npt.NDArray[np.float32]
#: One picture -> the embedding of the face nearest its middle (None: no face), and those of all other faces.
Embedded = tuple[Float32 | None, Float32]
EmbedPictures = Callable[[Sequence[Path]], list[Embedded]]

#: Which of the five labels a persona is left with, for the rows with one label: the first, then four random choices.
CHOICES_OF_ONE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Faces by role; all embeddings float32 (n, 128)."""

    labels: Float32
    label_names: npt.NDArray[np.str_]
    probes: Float32
    probe_names: npt.NDArray[np.str_]
    strangers: Float32
    others: Float32  # further faces in the same pictures
    n_missed: int  # pictures of people in which no face was found


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Shares, 0 to 1."""

    right: float  # probes named, and rightly
    wrong: float  # probes named as somebody else
    strangers_named: float
    calibration_error: float
    brier: float


def measure(bench: Bench) -> Iterable[Row]:
    folder = bench.data("lfw-dev")
    cache = bench.scratch / "models"
    cache.mkdir()
    one_thread()
    with multiprocessing.get_context("spawn").Pool(bench.n_processes, _start, (cache,)) as pool:
        protocol = read_protocol(
            folder, lambda paths: pool.map(_embed, paths, chunksize=8), every=4 if bench.quick else 1
        )
    yield from _rows(run(protocol))


def read_protocol(folder: Path, embed: EmbedPictures, *, every: int = 1) -> Protocol:
    """Embed what open_set.csv lists; `every`: only each so-many-th probe and stranger."""
    with (folder / "open_set.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    counted = {"probe": 0, "stranger": 0}
    chosen = []
    for row in rows:
        if row["role"] in counted:
            counted[row["role"]] += 1
            if counted[row["role"]] % every:
                continue
        chosen.append(row)
    faces = embed([folder / row["file"] for row in chosen])
    found = {role: [] for role in ("label", "probe", "stranger")}  # type: dict[str, list[tuple[Float32, str]]]
    for row, (face, _) in zip(chosen, faces, strict=True):
        if face is not None:
            found[row["role"]].append((face, row["identity"]))
    parts = {role: (np.stack([f for f, _ in each]), np.array([n for _, n in each])) for role, each in found.items()}
    return Protocol(
        labels=parts["label"][0],
        label_names=parts["label"][1],
        probes=parts["probe"][0],
        probe_names=parts["probe"][1],
        strangers=parts["stranger"][0],
        others=np.concatenate([others for _, others in faces]),
        n_missed=sum(face is None for face, _ in faces),
    )


def run(protocol: Protocol) -> dict[str, Result]:
    """Results by name: five labels and one label, with and without background, and the peers' classifier."""
    background = np.concatenate([protocol.probes, protocol.strangers, protocol.others])
    every = np.ones(len(protocol.labels), dtype=np.bool_)
    results = {}
    for name, unlabelled in (("with background", background), ("labels alone", None)):
        results[f"five labels, {name}"] = _fit_and_score(protocol, every, unlabelled)
        single = [_fit_and_score(protocol, one, unlabelled) for one in _choices_of_one(protocol)]
        results[f"one label, {name}"] = Result(
            **{field: float(np.mean([getattr(each, field) for each in single])) for field in Result.__slots__}
        )
    results["peers, five labels"] = _peers(protocol)
    return results


def _fit_and_score(protocol: Protocol, labelled: npt.NDArray[np.bool_], background: Float32 | None) -> Result:
    model = PersonaClassifier().fit(protocol.labels[labelled], protocol.label_names[labelled], background=background)
    probes, strangers = model.claims(protocol.probes), model.claims(protocol.strangers)
    return _result(
        protocol,
        model.classes_[probes.class_index],
        (probes.accepted, strangers.accepted),
        (probes.probability, strangers.probability),
    )


def _peers(protocol: Protocol) -> Result:
    """LibrePhotos' classifier and parameters, on our embeddings."""
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(solver="adam", alpha=1e-5, random_state=1, max_iter=1000)
    network.fit(protocol.labels, protocol.label_names)
    probes, strangers = network.predict_proba(protocol.probes), network.predict_proba(protocol.strangers)
    best = (probes.max(axis=1), strangers.max(axis=1))
    named = network.classes_[probes.argmax(axis=1)]
    return _result(protocol, named, (best[0] >= CUT_OFF, best[1] >= CUT_OFF), best)


def _result(
    protocol: Protocol, named: npt.NDArray[Any], accepted: tuple[Any, Any], probability: tuple[Any, Any]
) -> Result:
    """named: (n_probes,), the best persona of each; accepted, probability: of probes and of strangers."""
    correct = named == protocol.probe_names
    outcome = np.concatenate([correct, np.zeros(len(protocol.strangers), dtype=np.bool_)])
    said = np.concatenate(probability).astype(np.float64)
    return Result(
        right=float(np.mean(correct & accepted[0])),
        wrong=float(np.mean(~correct & accepted[0])),
        strangers_named=float(np.mean(accepted[1])),
        calibration_error=calibration_error(said, outcome),
        brier=float(np.mean((said - outcome) ** 2)),
    )


def _choices_of_one(protocol: Protocol) -> Iterator[npt.NDArray[np.bool_]]:
    """Masks with one label a persona."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(protocol.label_names == name) for name in np.unique(protocol.label_names)]
    for choice in range(CHOICES_OF_ONE):
        mask = np.zeros(len(protocol.labels), dtype=np.bool_)
        mask[[mine[0] if choice == 0 else rng.choice(mine) for mine in rows]] = True
        yield mask


def _rows(results: dict[str, Result]) -> Iterator[Row]:
    goals = {"five labels": (98.5, 0.5), "one label": (95.0, 1.0)}
    peers = results.pop("peers, five labels")
    for name, result in results.items():
        recall, strangers = goals[name.split(",")[0]]
        beside = (
            f"the peers' classifier on the same faces: {100 * peers.right:.1f} %, "
            f"{100 * peers.strangers_named:.1f} % of strangers named"
            if name == "five labels, with background"
            else ""
        )
        yield Row(
            what=f"{name}: named rightly",
            figure=100 * result.right,
            unit="%",
            goal=Goal(at_least=recall),
            beside=beside,
        )
        yield Row(
            what=f"{name}: strangers named",
            figure=100 * result.strangers_named,
            unit="%",
            goal=Goal(at_most=strangers),
        )
        yield Row(
            what=f"{name}: calibration error",
            figure=result.calibration_error,
            unit="",
            goal=Goal(at_most=0.03),
            beside=f"Brier {result.brier:.4f}",
        )


_extractor: FaceExtractor | None = None


def _start(cache: Path) -> None:
    global _extractor
    _extractor = build_extractor(ExtractorConfig(cache_dir=cache))


def _embed(path: Path) -> Embedded:
    assert _extractor is not None
    try:
        extraction = _extractor.extract(path.read_bytes())
    except PictureError:
        return None, np.zeros((0, 128), dtype=np.float32)
    middle = extraction.width / 2, extraction.height / 2
    ordered = sorted(extraction.faces, key=lambda face: _distance(face, middle))
    others = np.array([face.embedding for face in ordered[1:]], dtype=np.float32).reshape(-1, 128)
    return (ordered[0].embedding if ordered else None), others


def _distance(face: ExtractedFace, point: tuple[float, float]) -> float:
    x, y, width, height = face.box
    return float((x + width / 2 - point[0]) ** 2 + (y + height / 2 - point[1]) ** 2)
