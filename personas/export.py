"""What the product knows, as lines that other tools read: `faces`, `predictions`, `labels`, `images`.

A line a face and known path: a picture found at two places gives two; one whose paths are all forgotten gives one, with
`image` null. `persona` is what a human says. `predicted` is what the champion says, for labelled faces too, so that the
two can be compared; the columns of the prediction come from one version, the one in use when the export began.
`predicted` and `probability` are null where that version names nobody, and `version` where it cannot say anything:
before the first fit, or for a face that its embedder has not seen. In `labels` each label and each rejection has its
lines, and `persona` is whom it speaks of; `belongs` says which of the two it is.
"""

from __future__ import annotations

import csv
import enum
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from personas.csv_cells import to_cell
from personas.entities import NOBODY, Face, FaceKey, Label, Persona, Prediction
from personas.recogniser import Recogniser, current_recogniser
from personas.selectors.faces import faces_by_key, predict_faces
from personas.selectors.gallery import persona_name
from personas.store.base import Store
from personas.store.paging import every_page

#: Faces read, predicted and written at once.
BATCH = 1000

Line = dict[str, Any]


class ExportKind(enum.StrEnum):
    IMAGES = "images"
    FACES = "faces"
    LABELS = "labels"
    PREDICTIONS = "predictions"


class ExportFormat(enum.StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


_FACE_COLUMNS = (
    "image",
    "image_id",
    "face",
    "box",
    "persona",
    "persona_id",
    "predicted",
    "predicted_id",
    "probability",
    "version",
)
COLUMNS: Mapping[ExportKind, tuple[str, ...]] = {
    ExportKind.IMAGES: ("image", "image_id", "status", "n_faces"),
    ExportKind.FACES: _FACE_COLUMNS,
    ExportKind.LABELS: (*_FACE_COLUMNS, "belongs", "actor", "at"),
    ExportKind.PREDICTIONS: _FACE_COLUMNS,
}


def export(store: Store, kind: ExportKind) -> Iterator[Line]:
    """Lines with the columns of COLUMNS[kind], streamed; pictures and faces in key order."""
    match kind:
        case ExportKind.IMAGES:
            return _images(store)
        case ExportKind.LABELS:
            return _labels(store)
        case ExportKind.FACES | ExportKind.PREDICTIONS:
            return _faces(store, only_unlabelled=kind is ExportKind.PREDICTIONS)


def _images(store: Store) -> Iterator[Line]:
    for images in every_page(lambda cursor: store.images(cursor=cursor, limit=BATCH)):
        paths = _paths(store, [image.image_id for image in images])
        for image in images:
            for path in paths(image.image_id):
                yield {
                    "image": path,
                    "image_id": image.image_id,
                    "status": image.status.value,
                    "n_faces": image.n_faces,
                }


def _faces(store: Store, *, only_unlabelled: bool) -> Iterator[Line]:
    recogniser = current_recogniser()
    for page in every_page(lambda cursor: store.faces(cursor=cursor, limit=BATCH)):
        said = store.labels_of_images({face.image_id for face in page})
        named = {key: label for key, labels in said.items() for label in labels if label.belongs}
        faces = [face for face in page if not (only_unlabelled and face.key in named)]
        lines = _Lines(store, recogniser, faces, said)
        for face in faces:
            yield from lines.of(face, named.get(face.key))


def _labels(store: Store) -> Iterator[Line]:
    recogniser = current_recogniser()
    for labels in _batches(store.all_labels()):
        faces = faces_by_key(store, [label.key for label in labels])
        said = store.labels_of_images({key.image_id for key in faces})
        lines = _Lines(store, recogniser, list(faces.values()), said)
        for label in labels:
            if label.key in faces:
                for line in lines.of(faces[label.key], label):
                    yield {**line, "belongs": label.belongs, "actor": label.actor, "at": label.at.isoformat()}


class _Lines:
    """Makes the lines of some faces; what they need of the store is read once for all of them."""

    def __init__(
        self,
        store: Store,
        recogniser: Recogniser | None,
        faces: Sequence[Face],
        said: dict[FaceKey, tuple[Label, ...]],
    ) -> None:
        self._paths = _paths(store, [face.image_id for face in faces])
        self._predictions: dict[FaceKey, Prediction] = {}
        if recogniser is not None:
            keys = [face.key for face in faces]
            self._predictions = predict_faces(store, keys, labels=said, recogniser=recogniser)
        mentioned = {label.persona_id for labels in said.values() for label in labels}
        mentioned.update(p.persona_id for p in self._predictions.values() if p.persona_id)
        self._personas: dict[str, Persona] = store.personas_by_id(mentioned - NOBODY.keys())

    def of(self, face: Face, label: Label | None) -> Iterator[Line]:
        prediction = self._predictions.get(face.key)
        predicted_id = prediction.persona_id if prediction else None
        line: Line = {
            "image_id": face.image_id,
            "face": face.face_no,
            "box": [round(value, 2) for value in face.box],
            "persona": persona_name(self._personas, label.persona_id) if label else None,
            "persona_id": label.persona_id if label else None,
            "predicted": persona_name(self._personas, predicted_id) if predicted_id else None,
            "predicted_id": predicted_id,
            "probability": prediction.probability if prediction and predicted_id else None,
            "version": prediction.version if prediction else None,
        }
        for path in self._paths(face.image_id):
            yield {"image": path, **line}


def _paths(store: Store, image_ids: Sequence[str]) -> Callable[[str], list[str | None]]:
    known = store.paths_of(set(image_ids))
    return lambda image_id: [path.path for path in known.get(image_id, ())] or [None]


def _batches(labels: Iterable[Label]) -> Iterator[list[Label]]:
    batch: list[Label] = []
    for label in labels:
        batch.append(label)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def write_lines(lines: Iterable[Line], columns: Sequence[str], file: TextIO, file_format: ExportFormat) -> int:
    """Write lines as they come; returns their number.

    In CSV null is an empty cell, a box is JSON in its cell, and a text that a spreadsheet would run has an apostrophe
    in front (see `personas.csv_cells`).
    """
    written = 0
    if file_format is ExportFormat.JSONL:
        for line in lines:
            file.write(json.dumps({column: line[column] for column in columns}, ensure_ascii=False) + "\n")
            written += 1
        return written
    table = csv.writer(_UnixLines(file))
    table.writerow(columns)
    for line in lines:
        table.writerow([_cell(line[column]) for column in columns])
        written += 1
    return written


class _UnixLines:
    """Ends rows by "\\n" alone. Told to, csv.writer would no longer quote a carriage return within a text."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return to_cell(value)
    return json.dumps(value) if isinstance(value, bool | list) else value
