"""From what people said to what a classifier is fitted on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np

from personas.entities import NOBODY, STRANGER, FaceKey, Label
from personas.face_arrays import FaceKeys
from training.dataset import TrainingSet
from training.matrix import EmbeddingMatrix

#: Unlabelled faces a fit looks at. More changes thresholds by less than their own spread and costs time.
BACKGROUND_LIMIT = 20_000


def collect_training_set(labels: Iterable[Label], matrix: EmbeddingMatrix) -> TrainingSet:
    """Everything labelled so far, with unlabelled faces as background.

    The result depends on the set of faces and labels only, not on the order they came in: rows are in key order, and
    the background is the part of the unlabelled faces whose keys (a SHA-256) end in the lowest bytes.
    """
    said = sorted((label for label in labels), key=lambda label: (label.key, label.persona_id))
    rows = matrix.rows_of({label.key for label in said})
    belongs = [label for label in said if label.belongs and label.persona_id not in NOBODY and label.key in rows]
    strangers = [label for label in said if label.belongs and label.persona_id == STRANGER and label.key in rows]
    rejected = [label for label in said if not label.belongs and label.key in rows]
    settled = {rows[label.key] for label in said if label.belongs and label.key in rows}
    background = background_rows(matrix, exclude=settled)
    return TrainingSet(
        keys=tuple(label.key for label in belongs),
        X=_vectors(matrix, [rows[label.key] for label in belongs]),
        y=np.array([label.persona_id for label in belongs], dtype=np.str_),
        stranger_keys=tuple(label.key for label in strangers),
        strangers=_vectors(matrix, [rows[label.key] for label in strangers]),
        rejected_keys=tuple(label.key for label in rejected),
        rejected=(
            _vectors(matrix, [rows[label.key] for label in rejected]),
            np.array([label.persona_id for label in rejected], dtype=np.str_),
        ),
        background=_vectors(matrix, background.tolist()),
        background_keys=tuple(matrix.face_keys(background.tolist())),
    )


def typical_faces(training_set: TrainingSet) -> dict[str, FaceKey]:
    """The labelled face nearest the mean of each persona's: the one that shows who they are best."""
    typical = {}
    for persona_id in np.unique(training_set.y).tolist():
        rows = np.flatnonzero(training_set.y == persona_id)
        faces = training_set.X[rows]
        typical[persona_id] = training_set.keys[int(rows[np.argmax(faces @ faces.mean(axis=0))])]
    return typical


def background_rows(matrix: EmbeddingMatrix, *, exclude: set[int]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Rows of the unlabelled faces to look at, in key order, whatever the order of arrival."""
    open_rows = np.ones(len(matrix), np.bool_)
    open_rows[list(exclude)] = False
    rows = np.flatnonzero(open_rows)
    if len(rows) > BACKGROUND_LIMIT:
        packed = matrix.face_keys(rows).packed
        ends = np.ascontiguousarray(packed[:, 24:32]).view(">u8").ravel().astype(np.uint64)
        last = np.partition(ends, BACKGROUND_LIMIT - 1)[BACKGROUND_LIMIT - 1]
        near = np.flatnonzero(ends <= last)  # a few more where pictures share their last bytes
        numbers = np.ascontiguousarray(packed[near, 32:]).view(">u4").ravel()
        lowest = np.lexsort((FaceKeys(packed[near]).texts(), numbers, ends[near]))[:BACKGROUND_LIMIT]
        rows = rows[near[lowest]]
    return rows[np.argsort(matrix.face_keys(rows).texts(), kind="stable")]


def label_hash(labels: Iterable[Label], embedder: str) -> str:
    """SHA-256 of what people said: the same labels never start a second fit by themselves."""
    digest = hashlib.sha256(embedder.encode())
    for line in sorted(f"{label.key}|{label.persona_id}|{label.belongs}" for label in labels):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def data_hash(labels_sha256: str, background: Iterable[FaceKey]) -> str:
    """SHA-256 of a whole training set: labels and the unlabelled faces beside them."""
    digest = hashlib.sha256(labels_sha256.encode())
    for key in background:
        digest.update(str(key).encode() + b"\n")
    return digest.hexdigest()


def said_to_json(labels: Iterable[Label]) -> bytes:
    """The labels a version was trained on, one [image_id, face_no, persona_id, belongs] each, sorted."""
    rows = sorted([label.image_id, label.face_no, label.persona_id, label.belongs] for label in labels)
    return json.dumps(rows, separators=(",", ":")).encode()


def said_from_json(content: bytes) -> list[Label]:
    """Inverse of `said_to_json`, as far as training needs it: who said it and when is not kept."""
    never = datetime.fromtimestamp(0, UTC)
    return [
        Label(persona_id=persona_id, image_id=image_id, face_no=face_no, belongs=belongs, actor="", at=never, seq=0)
        for image_id, face_no, persona_id, belongs in json.loads(content)
    ]


def _vectors(matrix: EmbeddingMatrix, rows: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.ascontiguousarray(matrix.vectors[np.asarray(rows, np.intp)], np.float32)
