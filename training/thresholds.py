"""What strangers score: the impostor distribution of each template, and the cut-off that follows from it.

The score of a stranger with a template is close to normal (measured on SFace: the cut-off for 0.5 % strangers among 81
personas lies at 3.83 standard deviations, the normal distribution says 3.84). So a template's own mean and deviation,
taken from unlabelled faces, give its cut-off, for any number of personas, without anybody choosing one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

# SFace's cosine between two different people: the false accept rates 1 % at 0.283 and 0.1 % at 0.357 (measured on LFW,
# a gallery of 4,281 people) are those of a normal distribution with these two numbers.
SFACE_IMPOSTOR_MEAN = 0.057
SFACE_IMPOSTOR_DEVIATION = 0.097
# Faces that the priors count for, against those really seen.
PRIOR_FACES = 50.0
# The normal is fitted between these two quantiles of the cohort: below, strangers nothing like the look; above, faces
# of the persona that nobody labelled yet.
TAIL_FROM, TAIL_TO = 0.7, 0.98
# A template's own deviation is an estimate, and look-alikes exist: strangers exceed the fitted normal 1.3 to 2 times as
# often as they should at 3 to 4 deviations (LFW, 81 personas); 4 % more deviation makes that good.
TAIL_ALLOWANCE = 1.04
# Fewer faces than this have no tail to fit.
SMALLEST_COHORT = 20
# Share of a cohort that may be lost to faces which resemble a persona only by chance.
COHORT_LOSS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Impostors:
    """Mean and deviation of a stranger's cosine with each template; both (n_templates,)."""

    mean: Floats
    deviation: Floats


def prior_deviation(n_features: int) -> float:
    """Deviation of a stranger's cosine after centring; SFace's own in 128 dimensions, 1.1 / sqrt(n) in others."""
    return SFACE_IMPOSTOR_DEVIATION * float(np.sqrt(128 / n_features))


def probable_personas(faces: Floats, prototypes: Floats) -> Bools:
    """Which faces (n, d) resemble some prototype (p, d) so much that they are hardly strangers. Unit rows."""
    chance = min(1e-3, COHORT_LOSS / max(1, len(prototypes)))
    cut = SFACE_IMPOSTOR_MEAN + prior_deviation(faces.shape[1]) * norm.isf(chance)
    probable = np.zeros(len(faces), dtype=np.bool_)
    columns = prototypes.T.astype(np.float32)
    for start in range(0, len(faces), 4096):
        chunk = faces[start : start + 4096].astype(np.float32)
        probable[start : start + 4096] = (chunk @ columns).max(axis=1) >= cut
    return probable


def centre_of(cohort: Floats, n_features: int) -> Floats:
    """The mean stranger, shrunk towards zero when few were seen. cohort: (n, d) unit rows; may be empty."""
    if not len(cohort):
        return np.zeros(n_features)
    return np.asarray(cohort.sum(axis=0) / (len(cohort) + PRIOR_FACES))


def evenly(rows: Rows, at_most: int) -> Rows:
    """The rows, or `at_most` of them at even steps: the same ones every time."""
    if len(rows) <= at_most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, max(1, at_most)).astype(np.int64)]


def fit_impostors(scores: Floats, n_features: int, n_people: int) -> Impostors:
    """Impostor distribution of each template from its cohort's cosines: (n_templates, n_cohort); n_cohort may be 0.

    n_people: how many people the cohort shows; faces of one person say less than as many of different people.
    """
    n_templates, n_cohort = scores.shape
    prior = prior_deviation(n_features)
    if n_cohort < SMALLEST_COHORT:
        return Impostors(mean=np.zeros(n_templates), deviation=np.full(n_templates, TAIL_ALLOWANCE * prior))
    ranks = np.arange(int(TAIL_FROM * n_cohort), int(TAIL_TO * n_cohort))
    quantiles = norm.ppf((ranks + 0.5) / n_cohort)
    ordered = np.sort(scores.astype(np.float32), axis=1)[:, ranks].astype(np.float64)
    spread = quantiles - quantiles.mean()
    slope = ordered @ spread / (spread @ spread)
    mean = ordered.mean(axis=1) - slope * quantiles.mean()
    weight = n_people / (n_people + PRIOR_FACES)
    # Never less than the embedder's own: small, blurred background faces resemble everybody less than strangers will.
    deviation = np.maximum(np.sqrt(weight * slope**2 + (1 - weight) * prior**2), prior)
    return Impostors(mean=weight * mean, deviation=TAIL_ALLOWANCE * deviation)


def cut_off(max_strangers_named: float, n_templates: int) -> float:
    """Deviations above the mean at which the whole gallery names the wanted share of strangers (Bonferroni)."""
    return float(norm.isf(max_strangers_named / n_templates))
