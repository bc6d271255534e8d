"""Numbers about predictions, from plain arrays: calibration, F1, intervals, paired tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, hypergeom, norm

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

# Bins of equal mass, so that the many sure faces do not hide the few doubtful ones.
CALIBRATION_BINS = 15
# Bins of the same width, from 0 to 1.
HISTOGRAM_BINS = 40
# Probabilities that a name might need: none, as the product does, then ever finer, for most faces are sure ones.
THRESHOLDS = (*(step / 20 for step in range(20)), 0.96, 0.97, 0.98, 0.99, 0.995, 0.999)


def reliability(probability: Floats, correct: Bools, *, n_bins: int = CALIBRATION_BINS) -> list[dict[str, float]]:
    """Bins of equal mass in ascending probability: mean probability and share that was right. Both (n,)."""
    order = np.argsort(probability, kind="stable")
    return [
        {
            "n": len(part),
            "probability": round(float(np.mean(probability[part])), 4),
            "right": round(float(np.mean(correct[part])), 4),
        }
        for part in np.array_split(order, n_bins)
        if len(part)
    ]


def calibration_error(probability: Floats, correct: Bools, *, n_bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error over bins of equal mass; 0 where there is nothing to say. Both (n,)."""
    probability, correct = np.asarray(probability, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not len(probability):
        return 0.0
    order = np.argsort(probability, kind="stable")
    gaps = [
        len(part) * abs(probability[part].mean() - correct[part].mean())
        for part in np.array_split(order, n_bins)
        if len(part)
    ]
    return float(sum(gaps) / len(probability))


def names_by_threshold(*, right: Floats, wrong: Floats, strangers: Floats) -> list[list[float]]:
    """Rows [threshold, right, wrong, strangers]: how many names are left when each needs this probability.

    right, wrong: probabilities of the names given, (n_right,) and (n_wrong,). strangers: of those that strangers were
    given when tried, (n_named,).
    """
    return [[cut, *(int((given >= cut).sum()) for given in (right, wrong, strangers))] for cut in THRESHOLDS]


def histogram(probability: Floats, *, n_bins: int = HISTOGRAM_BINS) -> list[int]:
    """Faces a bin; the last bin has its upper end. (n,)"""
    counts, _ = np.histogram(probability, bins=n_bins, range=(0.0, 1.0))
    return [int(count) for count in counts]


def f1(right: int, missed: int, taken: int) -> float:
    """F1 of one persona: faces found, faces not found, faces of others that were given its name."""
    return 2 * right / (2 * right + missed + taken) if right else 0.0


def wilson(successes: int, n: int, *, confidence: float = 0.98) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson 1927); (0, 1) when nothing was seen."""
    if not n:
        return 0.0, 1.0
    z = float(norm.isf((1 - confidence) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, centre - half), min(1.0, centre + half)


def worse_by_chance(lost: int, won: int) -> float:
    """Probability of at least `lost` losses among all changes if losing and winning were equally likely (McNemar)."""
    return float(binom.sf(lost - 1, lost + won, 0.5)) if lost else 1.0


def at_least_by_chance(successes: int, n: int, rate: float) -> float:
    """Probability of so many successes at this rate."""
    return float(binom.sf(successes - 1, n, rate)) if successes else 1.0


def more_than(successes: int, n: int, successes_before: int, n_before: int) -> float:
    """Probability of so great a difference of two shares by chance, one-sided (Fisher's exact test)."""
    if not n or not n_before:
        return 1.0
    total = successes + successes_before
    return float(hypergeom.sf(successes - 1, n + n_before, total, n))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error; the error of fewer than two values is infinite."""
    if len(values) < 2:
        return (float(values[0]) if values else 0.0), float("inf")
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
