"""Made-up embeddings that behave like SFace's: people are directions, faces scatter around them, a look is shared."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey
from training.dataset import TrainingSet

Float32 = npt.NDArray[np.float32]
#: Length of the scatter of a face around its person's direction: two faces of a person have cosine 0.6.
SCATTER = 0.8


class People:
    """A world of people; the same seed gives the same people and faces."""

    def __init__(self, *, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.covered = self._direction()

    def _direction(self, n: int = 1) -> Float32:
        rows = self.rng.normal(size=(n, 128))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def person(self) -> Float32:
        """(1, 128), a direction of their own."""
        return self._direction()

    def faces(self, person: Float32, n: int, *, covered: bool = False) -> Float32:
        """n faces of one person, (n, 128) unit rows; covered ones keep little of the person and share a direction."""
        if covered:
            rows = 0.4 * person + 0.4 * self.covered + 0.82 * self._direction(n)
        else:
            rows = person + SCATTER * self._direction(n)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    def strangers(self, n: int, *, covered: bool = False) -> Float32:
        """One face each of n people, (n, 128) unit rows."""
        return np.concatenate([self.faces(self.person(), 1, covered=covered) for _ in range(n)])


def key(name: str, number: int) -> FaceKey:
    return FaceKey(hashlib.sha256(f"{name} {number}".encode()).hexdigest(), 0)


def training_set(labels: dict[str, Float32], **rest: Any) -> TrainingSet:
    """Labels by persona id; the same persona and place give the same face key."""
    keys = tuple(key(name, number) for name, faces in labels.items() for number in range(len(faces)))
    return TrainingSet(
        keys=keys,
        X=np.concatenate(list(labels.values())),
        y=np.repeat(list(labels), [len(faces) for faces in labels.values()]),
        **rest,
    )
