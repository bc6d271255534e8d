"""Which faces to ask a person about first, and which of them together: an answer should settle as much as it can.

How much is open about a face (`openness`) and how alike faces are (`alikeness`) say what an answer is worth: the faces
that it speaks of, and a share of those that resemble them. Questions are picked one by one, and what a picked question
speaks for is counted out before the next, so that the queue does not dwell on one person (information density, Settles
and Craven 2008, picked greedily as in facility location). Where no two faces are alike, it is plain uncertainty.
No Django, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from personas.entities import FloatArray

Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: Cosines (SFace) between which two faces go from hardly ever to hardly anything but one person's: strangers in LFW
#: score 0.1 on average and next to never 0.45, a person's own pictures 0.6.
HARDLY_ALIKE, CERTAINLY_ALIKE = 0.4, 0.55
#: From this cosine on, faces are asked about together.
TOGETHER = CERTAINLY_ALIKE
#: Faces in one question: as many as fit beside each other and are seen at a glance.
FACES_A_QUESTION = 6
#: Less certain than 0.95 and more likely than 0.05: what a version says of the face is worth a person's look.
WORTH_ASKING = 0.1
#: What is open about a face that nobody resembles, beside 1 for one that might as well be somebody as not. Alone it is
#: most likely a stranger's and not worth a question; many alike are somebody whose name is missing.
OPENNESS_OF_UNKNOWN = 0.5
#: A question that settles less than this is not asked.
LEAST_WORTH = WORTH_ASKING
#: Faces compared with all others at a time.
ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pending:
    """Faces that no human settled, with what a version says of them."""

    vectors: FloatArray  #: float32 (n, 128), L2-normalised
    best: Ints  #: (n,) a number for the persona who is most probable, -1: nobody
    probability: Doubles  #: (n,) of that persona
    named: Flags  #: (n,) whether the version names it so

    def __len__(self) -> int:
        return len(self.best)

    def take(self, rows: Ints) -> Pending:
        """The faces at these places, in this order."""
        return Pending(
            vectors=self.vectors[rows],
            best=self.best[rows],
            probability=self.probability[rows],
            named=self.named[rows],
        )

    def openness(self) -> Doubles:
        """(n,) 0: the version is sure; 1: it might as well be that persona as not."""
        uncertainty = 1 - np.abs(2 * self.probability - 1)
        return np.where(self.named, uncertainty, np.maximum(uncertainty, self.probability))


def questions(pending: Pending, *, limit: int, together: int = FACES_A_QUESTION) -> list[tuple[int, ...]]:
    """Rows of the faces of each question, the one to be looked at first; the questions that settle most come first."""
    open_now = pending.openness()
    known = open_now >= WORTH_ASKING
    open_now = np.where(known, open_now, np.where(pending.named, 0.0, OPENNESS_OF_UNKNOWN))
    said = np.where(known, pending.best, -1)  # who an unknown face resembles a little says nothing
    alike = Alikeness(pending.vectors)
    worth = np.where(known, open_now, 0.0)
    for row in range(len(pending)):
        others, weights, _ = alike.of(row)
        worth[row] += weights @ open_now[others]
    found: list[tuple[int, ...]] = []
    while len(found) < limit and len(worth):
        first = int(np.argmax(worth))
        if worth[first] < LEAST_WORTH:
            break
        others, weights, cosines = alike.of(first)
        asked = _asked_together(first, others, cosines, said, worth, together)
        found.append(asked)
        for row in asked:
            _count_out(alike, row, open_now, worth, known)
        worth[list(asked)] = -np.inf
    return found


def _asked_together(
    first: int, others: Ints, cosines: Doubles, said: Ints, worth: Doubles, together: int
) -> tuple[int, ...]:
    """The face, and those most like it of which the same is said and that were not asked about yet."""
    eligible = (cosines >= TOGETHER) & (said[others] == said[first]) & np.isfinite(worth[others])
    nearest = np.flatnonzero(eligible)[np.argsort(-cosines[eligible], kind="stable")]
    return (first, *others[nearest[: together - 1]].tolist())


def _count_out(alike: Alikeness, answered: int, open_now: Doubles, worth: Doubles, known: Flags) -> None:
    """Take what an answer about this face settles from what is open, and from what other questions are worth."""
    others, weights, _ = alike.of(answered)
    rows, settled = np.append(others, answered), np.append(weights, 1.0)
    amounts = open_now[rows] * settled
    open_now[rows] -= amounts
    worth[rows] -= np.where(known[rows], amounts, 0.0)
    for row, amount in zip(rows[amounts > 0].tolist(), amounts[amounts > 0].tolist(), strict=True):
        nearby, nearness, _ = alike.of(row)
        worth[nearby] -= nearness * amount


class Alikeness:
    """How alike faces are: 0 .. 1 for those that are alike at all, as rows of a sparse matrix without its diagonal."""

    def __init__(self, vectors: npt.NDArray[Any]) -> None:
        starts, others, cosines = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            block = vectors[start : start + ROWS_AT_ONCE] @ vectors.T
            block[np.arange(len(block)), np.arange(start, start + len(block))] = 0
            row, other = np.nonzero(block > HARDLY_ALIKE)
            starts.append(np.bincount(row, minlength=len(block)))
            others.append(other)
            cosines.append(block[row, other].astype(np.float64))
        self._starts = np.cumsum(np.concatenate(starts))
        self._others = np.concatenate(others)
        self._cosines = np.concatenate(cosines)
        self._weights = np.minimum((self._cosines - HARDLY_ALIKE) / (CERTAINLY_ALIKE - HARDLY_ALIKE), 1.0)

    def of(self, row: int) -> tuple[Ints, Doubles, Doubles]:
        """Rows of the faces that resemble this one, how much they do, and their cosines with it."""
        here = slice(self._starts[row], self._starts[row + 1])
        return self._others[here], self._weights[here], self._cosines[here]
