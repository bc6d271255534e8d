"""From scores to probabilities.

A template's score, in deviations of its impostor distribution, is N(0, 1) for strangers and N(genuine, spread) for the
persona's own faces. Their log-likelihood ratio and the prior share of strangers give the posterior by Bayes' rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.gallery import Scored
from training.templates import Templates
from training.thresholds import Impostors

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

# A held-out face of the same person scores about 0.6 against one label, 0.7 against several (SFace on LFW: 98.8 % true
# accepts at cosine 0.357, so a mean of 0.6-0.7 with a deviation near 0.13).
PRIOR_GENUINE_ONE, PRIOR_GENUINE_MANY = 0.55, 0.65
PRIOR_GENUINE_DEVIATION = 0.13
# Of a persona's faces, those in a look that no label shows, before any were seen; and the faces all priors count for.
PRIOR_UNSEEN, PRIOR_POOL = 0.02, 50.0
EM_ROUNDS = 50
# Labels that the priors count for.
PRIOR_LABELS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Genuine:
    """Mean and deviation of a persona's own face, in deviations of the template's impostors; both (n_templates,)."""

    mean: Floats
    deviation: Floats


def fit_genuine(templates: Templates, impostors: Impostors) -> Genuine:
    """Genuine distribution of each template, from labels against their look without them, shrunk to the prior."""
    n_templates = len(templates.vectors)
    seen = ~np.isnan(templates.held_out_cosine)
    owner = templates.label_template[seen]
    cosine = templates.held_out_cosine[seen]
    prior = np.where(templates.n_labels > 1, PRIOR_GENUINE_MANY, PRIOR_GENUINE_ONE)
    count = np.bincount(owner, minlength=n_templates)
    total = np.bincount(owner, weights=cosine, minlength=n_templates)
    mean = (total + PRIOR_LABELS * prior) / (count + PRIOR_LABELS)
    residual = float(((cosine - mean[owner]) ** 2).sum())
    n_prior = 20.0
    deviation = np.sqrt((residual + n_prior * PRIOR_GENUINE_DEVIATION**2) / (len(cosine) + n_prior))
    return Genuine(
        mean=(mean - impostors.mean) / impostors.deviation,
        deviation=np.maximum(deviation / impostors.deviation, 1.0),
    )


def prior_genuine(impostor_deviation: float) -> tuple[float, float]:
    """Genuine mean and deviation of a single face nothing else is known of, in impostor deviations."""
    return PRIOR_GENUINE_ONE / impostor_deviation, max(1.0, PRIOR_GENUINE_DEVIATION / impostor_deviation)


def fit_shares(templates: Scored, pool: Float32, n_classes: int, unknown_prior: float) -> tuple[float, float]:
    """Share of strangers among faces, and of unseen looks among a persona's faces, learnt from unlabelled faces.

    Expectation-maximisation of the weights of a mixture whose parts are known (strangers, labelled looks, unseen
    looks). pool: (n, n_features) centred unit rows, may be empty: then the priors hold.
    """
    prior = PRIOR_POOL * np.array(
        [unknown_prior, (1 - unknown_prior) * (1 - PRIOR_UNSEEN), (1 - unknown_prior) * PRIOR_UNSEEN]
    )
    weights = prior / prior.sum()
    if len(pool):
        parts = np.ones((len(pool), 3))
        starts = np.searchsorted(templates.class_index, np.arange(n_classes))
        for start in range(0, len(pool), 4096):
            chunk = slice(start, start + 4096)
            for column, ratio in enumerate(templates.log_ratios(templates.scores(pool[chunk])), start=1):
                best = np.maximum.reduceat(ratio, starts, axis=1)
                parts[chunk, column] = np.exp(np.minimum(best, 30.0).astype(np.float64)).mean(axis=1)
        for _ in range(EM_ROUNDS):
            joint = parts * weights
            counts = (joint / joint.sum(axis=1, keepdims=True)).sum(axis=0) + prior
            weights = counts / counts.sum()
    return float(np.clip(weights[0], 0.05, 0.995)), float(weights[2] / (weights[1] + weights[2]))
