"""Seconds of a fit with its evaluation and its gate: what a person waits for after labelling, less the publishing.

At the size of data/presidents by the real command (`manage.py train`), and at 10,000 labels in this process on made-up
embeddings, beside scikit-learn's MLPClassifier as LibrePhotos configures it on the same labels. The peer's fit is a fit
alone; ours holds out folds and fits champion and candidate on each, because no version goes live unjudged.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.installation import Installation
from benchmarks.report import Row
from benchmarks.settings import Bench

#: Made-up galleries: cosine between a face and its persona's centre, near what SFace gives on sharp portraits.
COSINE_TO_CENTRE = 0.75
LABELS_A_PERSONA = 25


def measure(bench: Bench) -> Iterable[Row]:
    yield from _presidents(bench)
    yield from _made_up(1_000 if bench.quick else 10_000)


def _presidents(bench: Bench) -> Iterable[Row]:
    folder = bench.data("presidents")
    ingested = Installation.create(bench.scratch / "ingested")
    ingested.manage("ingest", str(folder), exit_codes=(0, 3))
    fits, commands = [], []
    for number in range(3):
        copied = ingested.copy(bench.scratch / f"copy-{number}")
        started = time.perf_counter()
        outcome = copied.manage("train")
        commands.append(time.perf_counter() - started)
        fits.append(outcome["fit_seconds"])
    yield Row(
        what="fit, evaluation and gate, 24 labels",
        figure=statistics.median(fits),
        unit="s",
        beside=f"{statistics.median(commands):.1f} s the whole command, with Python's start and publishing",
    )


def _made_up(n_labels: int) -> Iterable[Row]:
    from sklearn.neural_network import MLPClassifier

    from training.classifier import PersonaClassifier
    from training.gate import judge

    training_set = made_up_training_set(n_labels)
    started = time.perf_counter()
    PersonaClassifier().fit(training_set.X, training_set.y, background=training_set.background)
    fit = time.perf_counter() - started
    started = time.perf_counter()
    judge(training_set, champion=training_set)
    judged = fit + time.perf_counter() - started
    network = MLPClassifier(solver="adam", alpha=1e-5, random_state=1, max_iter=1000)
    started = time.perf_counter()
    network.fit(training_set.X, training_set.y)
    peer = time.perf_counter() - started
    what = f"{n_labels:,} labels of {n_labels // LABELS_A_PERSONA} personas"
    theirs = f"the peers' MLP {peer:.1f} s, in the same run"
    yield Row(what=f"fit alone, {what}", figure=fit, unit="s", beside=theirs)
    yield Row(what=f"fit, evaluation and gate, {what}", figure=judged, unit="s", beside=theirs)
    yield Row(
        what=f"fit, evaluation and gate, {what}",
        figure=peer / judged,
        unit="x the peers' speed",
        beside="their fit alone",
    )


def made_up_training_set(n_labels: int) -> Any:
    """A `TrainingSet`: personas of 25 labels, and as many unlabelled faces, half of them strangers."""
    from personas.entities import FaceKey
    from training.dataset import TrainingSet

    rng = np.random.default_rng(0)
    n_personas = n_labels // LABELS_A_PERSONA
    centres = unit(rng.standard_normal((n_personas, 128)))
    index = np.repeat(np.arange(n_personas), LABELS_A_PERSONA)
    keys = [FaceKey(hashlib.sha256(str(number).encode()).hexdigest(), 0) for number in range(2 * n_labels)]
    order = sorted(range(n_labels), key=lambda row: keys[row])
    own = near(centres[rng.integers(n_personas, size=n_labels // 2)], rng)
    strangers = unit(rng.standard_normal((n_labels // 2, 128)))
    return TrainingSet(
        keys=tuple(keys[row] for row in order),
        X=near(centres[index], rng)[order],
        y=np.array([f"persona-{number:05d}" for number in index[order]]),
        background=np.concatenate([own, strangers]).astype(np.float32),
        background_keys=tuple(keys[n_labels : 2 * n_labels]),
    )


def near(centres: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A face around each centre: float32 (n, 128), unit rows."""
    noise = unit(rng.standard_normal(centres.shape))
    return unit(COSINE_TO_CENTRE * centres + np.sqrt(1 - COSINE_TO_CENTRE**2) * noise).astype(np.float32)


def unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
