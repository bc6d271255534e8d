"""Unlabelled faces strengthen the looks a human opened.

Three labels of a hard look make a noisy template. The pictures nobody labelled hold more faces of the same look;
those the fitted templates name with little doubt join the look with half a label's weight. Only looks that labels
opened grow, never a persona's main look, and nothing is stored: the next fit starts from the labels again, so a mistake
cannot feed itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from training.templates import Templates, build_templates
from training.thresholds import Impostors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Share of wrong faces tolerated among those that join a look (Benjamini and Hochberg 1995, on normal tails).
FALSE_SHARE = 0.05
# How many deviations the second-best persona must lie behind.
MARGIN = 1.0
# A face this near to a main look (cosine, centred) belongs to that look, and teaches nothing about a hard one.
NEAR_MAIN = 0.6
# What an unlabelled face counts for, against a label.
JOINED_WEIGHT = 0.5
# Scores (faces x templates) held at once; a gallery of thousands considers the likeliest faces only.
SCORES_AT_ONCE = 10_000_000
# Labels that open a look: one picture may be a mistake.
OPENED_BY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledLooks:
    """Labels in the centred space, by look."""

    faces: Floats  # (n_labels, n_features), unit rows
    class_index: Ints  # (n_labels,), ascending
    groups: Ints  # (n_labels,), the look inside the persona; 0 is the main one


def faces_of_opened_looks(pool: Floats, templates: Templates, impostors: Impostors) -> tuple[Ints, Ints]:
    """Rows of `pool` (m, n_features) that are hardly anything but an opened look, and the template of each."""
    opened = np.flatnonzero(templates.hard & (templates.n_labels >= OPENED_BY))
    scores = (pool @ templates.vectors[opened].T - impostors.mean[opened]) / impostors.deviation[opened]
    nearest = scores.max(axis=1, initial=-np.inf)
    likely = np.argsort(-nearest, kind="stable")[: max(1, SCORES_AT_ONCE // len(templates.vectors))]
    rows = np.sort(likely[nearest[likely] >= norm.isf(FALSE_SHARE)])  # the others can never join
    cosine = pool[rows] @ templates.vectors.T
    scores = (cosine - impostors.mean) / impostors.deviation
    best, score = np.argmax(scores, axis=1), scores.max(axis=1, initial=-np.inf)
    rivals = np.where(templates.class_index[best][:, None] == templates.class_index, -np.inf, scores)
    near_main = np.where(templates.hard, -1.0, cosine).max(axis=1, initial=-1.0) >= NEAR_MAIN
    eligible = (score - rivals.max(axis=1, initial=-np.inf) >= MARGIN) & ~near_main
    chosen: list[Ints] = []
    for template in opened:
        candidates = np.flatnonzero(eligible & (best == template))
        candidates = candidates[np.argsort(-score[candidates], kind="stable")]
        expected_false = len(pool) * norm.sf(score[candidates])
        few_false = np.flatnonzero(expected_false <= FALSE_SHARE * np.arange(1, len(candidates) + 1))
        chosen.append(candidates[: few_false[-1] + 1] if len(few_false) else candidates[:0])
    joined = np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, dtype=np.int64)
    return rows[joined], best[joined]


def strengthened(
    labels: LabelledLooks, pool: Floats, joined: Ints, template: Ints, old: Templates, *, pull: float
) -> Templates:
    """Templates from the labels and the faces that joined. joined: rows of `pool`; template: their index in `old`."""
    group_of = np.zeros(len(old.vectors), dtype=np.int64)
    group_of[old.label_template] = labels.groups
    return build_templates(
        np.concatenate([labels.faces, pool[joined]]),
        np.concatenate([labels.class_index, old.class_index[template]]),
        np.concatenate([labels.groups, group_of[template]]),
        np.concatenate([np.ones(len(labels.faces)), np.full(len(joined), JOINED_WEIGHT)]),
        pull=pull,
        n_labels=len(labels.faces),
    )
