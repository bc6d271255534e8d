"""What a classifier is fitted on and judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey

Float32 = npt.NDArray[np.float32]


def _no_faces() -> Float32:
    return np.zeros((0, 128), dtype=np.float32)


def _no_rejections() -> tuple[Float32, npt.NDArray[Any]]:
    return _no_faces(), np.zeros(0, dtype=np.str_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingSet:
    """Labels, strangers, rejections and unlabelled faces; rows in key order. Embeddings float32 (n, 128), unit rows."""

    keys: tuple[FaceKey, ...]  # (n_labels,)
    X: Float32  # (n_labels, 128)
    y: npt.NDArray[Any]  # (n_labels,), persona ids
    stranger_keys: tuple[FaceKey, ...] = ()
    strangers: Float32 = field(default_factory=_no_faces)  # a human said: nobody we know
    rejected_keys: tuple[FaceKey, ...] = ()
    rejected: tuple[Float32, npt.NDArray[Any]] = field(default_factory=_no_rejections)  # faces, and who they are not
    background: Float32 = field(default_factory=_no_faces)  # nobody said anything; strangers and personas, mixed
    background_keys: tuple[FaceKey, ...] = ()

    def without_fold(self, fold: int, n_folds: int) -> TrainingSet:
        """The set as it would be if nobody had said anything about the faces of one fold.

        They do not join the background: what is held out is not looked at in any way.
        """
        keep = fold_of(self.keys, n_folds) != fold
        keep_stranger = fold_of(self.stranger_keys, n_folds) != fold
        faces, not_personas = self.rejected
        keep_rejected = np.ones(len(not_personas), dtype=np.bool_)
        if len(self.rejected_keys) == len(not_personas):
            keep_rejected = fold_of(self.rejected_keys, n_folds) != fold
        return replace(
            self,
            keys=_kept(self.keys, keep),
            X=self.X[keep],
            y=self.y[keep],
            stranger_keys=_kept(self.stranger_keys, keep_stranger),
            strangers=self.strangers[keep_stranger],
            rejected_keys=_kept(self.rejected_keys, keep_rejected),
            rejected=(faces[keep_rejected], not_personas[keep_rejected]),
        )


def fold_of(keys: Sequence[FaceKey], n_folds: int) -> npt.NDArray[np.int64]:
    """Fold of each face, (n,): fixed by a hash of its key, so that it never changes as labels come and go."""
    digests = (hashlib.sha256(f"{image_id}:{face_no}".encode()).digest() for image_id, face_no in keys)
    return np.array([int.from_bytes(digest[:8], "big") % n_folds for digest in digests], dtype=np.int64)


def _kept(keys: tuple[FaceKey, ...], keep: npt.NDArray[np.bool_]) -> tuple[FaceKey, ...]:
    return tuple(key for key, kept in zip(keys, keep, strict=True) if kept)
