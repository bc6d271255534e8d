"""From scores to probabilities.

A template's score, in deviations of its impostor distribution, is N(0, 1) for strangers and N(genuine, spread) for the
persona's own faces. Their log-likelihood ratio and the prior share of strangers give the posterior by Bayes' rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.templates import Templates
from training.thresholds import Impostors

Floats = npt.NDArray[np.float64]

# A held-out face of the same person scores about 0.6 against one label, 0.7 against several (SFace on LFW: 98.8 % true
# accepts at cosine 0.357, so a mean of 0.6-0.7 with a deviation near 0.13).
PRIOR_GENUINE_ONE, PRIOR_GENUINE_MANY = 0.55, 0.65
PRIOR_GENUINE_DEVIATION = 0.13
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
