"""The port through which pages, exports and commands ask the champion who a face is.

`personas` lies below `training` and must not import it; the training app plugs its champion in when Django starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from personas.entities import FaceKey, FloatArray, Prediction


class Recogniser(Protocol):
    """A version that can be asked."""

    version: int
    embedder: str

    def predict(
        self,
        keys: Sequence[FaceKey],
        embeddings: FloatArray,
        *,
        rejected: Mapping[FaceKey, frozenset[str]],
        n_candidates: int = 0,
    ) -> list[Prediction]:
        """One Prediction a face.

        `embeddings`: float32 (n, 128), L2-normalised; `rejected`: personas never to be named.
        """


_champion: Callable[[], Recogniser | None] = lambda: None  # noqa: E731 - nothing is plugged in until Django starts


def plug_in(champion: Callable[[], Recogniser | None]) -> None:
    """Called once, by the training app."""
    global _champion
    _champion = champion


def current_recogniser() -> Recogniser | None:
    """The champion, loaded and cached by version; None before the first fit."""
    return _champion()
