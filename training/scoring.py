"""Scoring faces with a version, in arrays: who is named, and whom a person should look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from personas.entities import RankedKind
from personas.face_arrays import FaceKeys, RankedFaces
from training.champion import VersionRecogniser
from training.matrix import EmbeddingMatrix, Rows
from training.settled import Settled

#: Faces scored at a time: the similarity block of 64 personas x 8 looks stays within a few dozen MB.
CHUNK = 16_384
#: Faces on the review list of one persona.
REVIEW_LIMIT = 1000
#: Faces less certain than 0.95 and more likely than 0.05: worth a person's look.
REVIEW_UNCERTAINTY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claimed:
    """Faces with the persona that claims each, in any order."""

    persona: npt.NDArray[np.int32]  #: (n,), index into the classes of the version
    faces: RankedFaces

    def __len__(self) -> int:
        return len(self.persona)

    def take(self, places: Rows) -> Claimed:
        return Claimed(persona=self.persona[places], faces=self.faces.take(places))

    @classmethod
    def joined(cls, parts: Sequence[Claimed]) -> Claimed:
        return cls(
            persona=np.concatenate([np.zeros(0, np.int32), *(part.persona for part in parts)]),
            faces=RankedFaces(
                FaceKeys(
                    np.concatenate([FaceKeys.of([]).packed, *(part.faces.face_keys.packed for part in parts)]),
                ),
                np.concatenate([np.zeros(0), *(part.faces.probabilities for part in parts)]),
            ),
        )

    def by_persona(self, names: Sequence[str]) -> dict[str, RankedFaces]:
        """The faces of each persona that has some, in the order they stand in."""
        order = np.argsort(self.persona, kind="stable")
        bounds = np.searchsorted(self.persona[order], np.arange(len(names) + 1))
        faces = self.faces.take(order)
        return {
            name: faces[start:stop]
            for name, start, stop in zip(names, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
            if stop > start
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """What a version says of many faces."""

    predicted: Claimed  #: named
    review: Claimed  #: uncertain; at most REVIEW_LIMIT a persona once `cut`

    @classmethod
    def joined(cls, parts: Sequence[Scores]) -> Scores:
        """Of the faces of all parts, as if they had been scored together."""
        return cls(
            predicted=Claimed.joined([part.predicted for part in parts]),
            review=Claimed.joined([part.review for part in parts]),
        )

    def cut(self, n_personas: int) -> Scores:
        """With the most uncertain faces of each persona only. What is cut in a part would be cut from the whole."""
        long = np.bincount(self.review.persona, minlength=n_personas) > REVIEW_LIMIT
        if not long.any():
            return self
        of_long = long[self.review.persona]
        parts = [self.review.take(np.flatnonzero(~of_long))]
        for persona in np.flatnonzero(long).tolist():
            faces = self.review.take(np.flatnonzero(self.review.persona == persona)).faces
            kept = faces.in_order(RankedKind.REVIEW)[:REVIEW_LIMIT]
            parts.append(Claimed(persona=np.full(len(kept), persona, np.int32), faces=kept))
        return Scores(predicted=self.predicted, review=Claimed.joined(parts))


def score_matrix(recogniser: VersionRecogniser, matrix: EmbeddingMatrix, *, rows: Rows, settled: Settled) -> Scores:
    """Score these rows of the matrix, ascending.

    Faces a human named are left out; a rejected face goes to the next persona that claims it, or to none. What is said
    of a face depends on neither the other rows nor their order.
    """
    names = recogniser.names
    is_open = ~matrix.among(settled.named, rows=rows)
    barred_place, barred_class = _barred(matrix, rows, settled, names)
    parts = []
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        here = slice(*np.searchsorted(barred_place, [start, start + len(part)]).tolist())
        barred = list(zip((barred_place[here] - start).tolist(), barred_class[here].tolist(), strict=True))
        claims = recogniser.classifier.claims(_vectors(matrix, part), excluded=barred or None)
        nearly = ~claims.accepted & (claims.probability >= 0.5)  # sure, were it not for the cut-off
        uncertain = (claims.uncertainty >= REVIEW_UNCERTAINTY) | nearly
        faces = RankedFaces(matrix.face_keys(part), claims.probability.astype(np.float64).round(6))
        everything = Claimed(persona=claims.class_index, faces=faces)
        here_open = is_open[start : start + CHUNK]
        parts.append(
            Scores(
                predicted=everything.take(np.flatnonzero(claims.accepted & here_open)),
                review=everything.take(np.flatnonzero(uncertain & here_open)),
            )
        )
    return Scores.joined(parts).cut(len(names))


def _vectors(matrix: EmbeddingMatrix, rows: Rows) -> npt.NDArray[np.float32]:
    """Without a copy where the rows follow each other."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return np.asarray(matrix.vectors[rows[0] : rows[-1] + 1])
    return np.asarray(matrix.vectors[rows])


def _barred(
    matrix: EmbeddingMatrix, rows: Rows, settled: Settled, names: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(places in `rows`, classes) that must not be claimed there, by place."""
    number = {name: index for index, name in enumerate(names)}
    row_of = matrix.rows_of(settled.rejected_faces, among=rows)
    pairs = [
        (row_of[key], number[persona_id])
        for key, persona_id in zip(settled.rejected_faces, settled.rejected_personas, strict=True)
        if key in row_of and persona_id in number
    ]
    if not pairs or not len(rows):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    table = np.array(sorted(pairs), np.int64)
    place = np.minimum(np.searchsorted(rows, table[:, 0]), len(rows) - 1)
    asked = rows[place] == table[:, 0]
    return place[asked], table[asked, 1]
