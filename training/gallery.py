"""What a fitted classifier knows, as plain arrays, and how a face is scored with it.

No fitting here and no scikit-learn: the scorer and the artefact need nothing but this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
Excluded = Sequence[tuple[int, int]]

# Odds beyond this (e to the 12th) say nothing more: somebody has a twin.
MAX_ODDS = 162_755.0
# Largest exponent that leaves room to add and multiply in float32 (its own limit is 88).
FLOAT32_EXPONENT = np.float32(60)
# What a face of a persona scores in a look that no label shows, in deviations. Broad on purpose: covered eyes, blur,
# childhood and profile all lie between strangers and the clean look (SFace: cosine 0.25-0.55 where strangers have 0.1).
UNSEEN_LOOK_MEAN, UNSEEN_LOOK_DEVIATION = 4.0, 1.5
# Unit vectors are rounded to whole multiples of 1/GRID before they are compared. Their products are then whole numbers
# of at most 52 bits, as are all sums of them (Cauchy-Schwarz), so float64 adds them up exactly. How BLAS divides the
# work depends on the number of rows and on the processor, and with rounding so would the last digits; ranked pages,
# shares of them done elsewhere and the page of a single face have to say the same. The rounding, 2^-27, is below
# float32's own.
GRID = 2.0**26
# Scores (faces x templates) held at once: 2 MB of float32, so that a chunk stays in the cache.
SCORES_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a version says about n faces. A face that is not `accepted` is Unknown, whatever its best candidate is."""

    class_index: Int32  # (n,), the most probable persona, an index into classes_
    probability: Float32  # (n,), that the face is that persona
    accepted: npt.NDArray[np.bool_]  # (n,), whether the persona is named
    uncertainty: Float32  # (n,), 1 at probability one half, 0 at none and at all: review the greatest first
    candidates: Int32  # (n, k), the k most probable personas, the first is class_index
    candidate_probability: Float32  # (n, k), in descending order


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One group of reference faces: templates of personas, or faces that must not be taken for one."""

    vectors: Float32  # (t, n_features), unit rows in the centred space
    class_index: Int32  # (t,), ascending; -1 in counter-examples: holds against every persona
    impostor_mean: Float32  # (t,), a stranger's cosine with it
    impostor_deviation: Float32  # (t,)
    genuine_mean: Float32  # (t,), its own person's score, in deviations
    genuine_deviation: Float32  # (t,)
    _columns: npt.NDArray[np.float64] = field(init=False, repr=False)  # (n_features, t), on the grid, over GRID squared

    def __post_init__(self) -> None:
        object.__setattr__(self, "_columns", np.ascontiguousarray(_on_grid(self.vectors).T) / GRID**2)

    def scores(self, faces: Float32) -> Float32:
        """Deviations above what a stranger scores. faces: (n, n_features) centred unit rows -> (n, t).

        A face scores the same to the last bit alone, in any block and in any order of summation: see GRID.
        """
        scores = (_on_grid(faces) @ self._columns).astype(np.float32)
        scores -= self.impostor_mean
        scores /= self.impostor_deviation
        return np.asarray(scores, dtype=np.float32)

    def odds(self, scores: Float32, unseen_share: float) -> Float32:
        """Likelihood ratio own person : stranger; grows with the score. (n, t) -> (n, t).

        Strangers score N(0, 1). Own faces score N(genuine_mean, genuine_deviation >= 1), or, a share of them, what a
        look scores that nobody labelled yet.
        """
        seen, unseen = self.log_ratios(scores)
        share = np.float32(unseen_share)
        for part, weight in ((seen, 1 - share), (unseen, share)):  # in place: memory traffic is what scoring costs
            np.minimum(part, FLOAT32_EXPONENT, out=part)
            np.exp(part, out=part)
            part *= weight
        seen += unseen
        return seen

    def log_ratios(self, scores: Float32) -> tuple[Float32, Float32]:
        """The two parts of `odds`, before they are weighed: looks that were labelled, looks that were not."""
        positive = np.maximum(scores, np.float32(0))
        return (
            _log_ratio(positive, self.genuine_mean, self.genuine_deviation),
            _log_ratio(positive, np.float32(UNSEEN_LOOK_MEAN), np.float32(UNSEEN_LOOK_DEVIATION)),
        )


def _on_grid(vectors: Float32) -> npt.NDArray[np.float64]:
    """As whole numbers, multiples of 1/GRID."""
    grid = np.multiply(vectors, GRID, dtype=np.float64)
    return np.rint(grid, out=grid)


def _log_ratio(scores: Float32, mean: Any, deviation: Any) -> Float32:
    """Logarithm of N(mean, deviation) over N(0, 1) at each score: a parabola, which is cheap to evaluate."""
    precision = 1 / np.square(deviation)
    bend = np.float32(0.5) * (1 - precision)
    constant = np.float32(-0.5) * np.square(mean) * precision - np.log(deviation)
    ratio = scores * bend
    ratio += mean * precision
    ratio *= scores
    ratio += constant
    return np.asarray(ratio, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Everything a prediction depends on."""

    classes: npt.NDArray[Any]  # (n_classes,), persona ids in ascending order
    centre: Float32  # (n_features,), the mean stranger
    templates: Scored  # at least one a class
    counter_examples: Scored  # labelled strangers (class -1) and rejected faces (the class they were rejected for)
    cut_off: float  # a persona is named from this score on, in deviations
    unknown_prior: float  # share of strangers among faces
    unseen_share: float  # share of looks that no label shows among a persona's faces

    def claims(self, faces: Float32, *, n_candidates: int = 1, excluded: Excluded | None = None) -> Claims:
        """Score faces: float32 (n, n_features), L2-normalised or not; a row of zeros is claimed by nobody.

        excluded: (row, class) pairs that must not be claimed; the face goes to its next candidate, or to none.
        """
        n_faces, k = len(faces), min(n_candidates, len(self.classes))
        accepted = np.zeros(n_faces, dtype=np.bool_)
        order = np.zeros((n_faces, k), dtype=np.int32)
        probability = np.zeros((n_faces, k), dtype=np.float32)
        for part, chances, scores in self._parts(faces, excluded):
            order[part] = _most_probable(chances, k)
            probability[part] = np.take_along_axis(chances, order[part], axis=1)
            own = np.take_along_axis(scores, order[part, :1], axis=1)[:, 0]
            accepted[part] = (own >= self.cut_off) & (probability[part, 0] >= 0.5)
        return Claims(
            class_index=order[:, 0].copy(),
            probability=probability[:, 0].copy(),
            accepted=accepted,
            uncertainty=1 - np.abs(2 * probability[:, 0] - 1),
            candidates=order,
            candidate_probability=probability,
        )

    def probabilities(self, faces: Float32) -> Float32:
        """(n, n_features) -> (n, n_classes); what a row lacks to one is the probability that the face is Unknown."""
        chances = np.zeros((len(faces), len(self.classes)), dtype=np.float32)
        for part, values, _ in self._parts(faces):
            chances[part] = values
        return chances

    def _parts(self, faces: Float32, excluded: Excluded | None = None) -> Any:
        """Yield (slice, probabilities (m, n_classes), best score a class (m, n_classes)) for m faces at a time."""
        step = max(1, SCORES_AT_ONCE // (len(self.templates.vectors) + len(self.counter_examples.vectors)))
        barred = np.array(excluded if excluded else [], dtype=np.int64).reshape(-1, 2)
        for start in range(0, len(faces), step):
            part = slice(start, min(start + step, len(faces)))
            centred, usable = self._centred(faces[part])
            scores = self.templates.scores(centred)
            odds = self._best_per_class(self.templates.odds(scores, self.unseen_share))
            here = barred[(barred[:, 0] >= part.start) & (barred[:, 0] < part.stop)]
            odds[here[:, 0] - part.start, here[:, 1]] = 0
            chances = self._posterior(self._weighed_against(odds, centred))
            chances[~usable] = 0
            yield part, chances, self._best_per_class(scores)

    def _centred(self, faces: Float32) -> tuple[Float32, npt.NDArray[np.bool_]]:
        """Unit rows, less the mean stranger, unit rows again; and which rows are embeddings at all."""
        faces = np.asarray(faces, dtype=np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", faces, faces))
        usable = np.isfinite(norms) & (norms > 0)
        if usable.all():
            centred = faces / norms[:, None]
        else:
            centred = np.zeros_like(faces)
            np.divide(faces, norms[:, None], out=centred, where=usable[:, None])
        centred -= self.centre  # in place: memory traffic is what this costs
        norms = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        centred /= np.maximum(norms, np.float32(1e-9))[:, None]
        return centred, usable

    def _best_per_class(self, values: Float32) -> Float32:
        """(m, n_templates) -> (m, n_classes): the best look of each persona."""
        if len(self.templates.class_index) == len(self.classes):
            return values
        starts = np.searchsorted(self.templates.class_index, np.arange(len(self.classes)))
        return np.asarray(np.maximum.reduceat(values, starts, axis=1))

    def _weighed_against(self, odds: Float32, centred: Float32) -> Float32:
        """Odds of a persona, less the chance that the face is one of its counter-examples. (m, n_classes) both."""
        if not len(self.counter_examples.vectors):
            return odds
        against = self.counter_examples.odds(self.counter_examples.scores(centred), self.unseen_share)
        opposing = np.zeros_like(odds)
        owners = self.counter_examples.class_index
        for owner in np.unique(owners):
            strongest = against[:, owners == owner].max(axis=1)
            if owner < 0:
                opposing = np.maximum(opposing, strongest[:, None])
            else:
                opposing[:, owner] = np.maximum(opposing[:, owner], strongest)
        return np.asarray(odds * (odds / np.maximum(odds + opposing, np.float32(1e-30))), dtype=np.float32)

    def _posterior(self, odds: Float32) -> Float32:
        """Bayes' rule with equal priors for the personas. (m, n_classes) -> (m, n_classes).

        Personas are weighed against each other by all the evidence, against strangers by MAX_ODDS at most.
        """
        prior = (1 - self.unknown_prior) / (self.unknown_prior * len(self.classes))
        total = np.maximum(odds.sum(axis=1, keepdims=True), np.float32(1e-30))
        known = np.minimum(total, np.float32(MAX_ODDS)) * np.float32(prior)
        return np.asarray(odds / total * (known / (1 + known)), dtype=np.float32)


def _most_probable(chances: Float32, k: int) -> Int32:
    """Indices of the k greatest of each row, greatest first, the lower index first among equals. (m, c) -> (m, k)."""
    if k == 1:
        return np.asarray(np.argmax(chances, axis=1)[:, None], dtype=np.int32)
    order = np.argsort(-chances, axis=1, kind="stable")[:, :k]
    return np.asarray(order, dtype=np.int32)
