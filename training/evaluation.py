"""What a recipe and its labels are worth, on faces held out of the fit.

The labelled faces are divided into folds by a hash of their keys. Each fold is scored by a classifier that was fitted
as if nobody had named its faces. Every held-out face is asked twice: who is it, and who would it be if its own persona
were unknown; the second answer shows how strangers fare without anybody having to label any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey
from training.classifier import PersonaClassifier
from training.confusion import confusion
from training.dataset import TrainingSet, fold_of
from training.metrics import calibration_error, f1, histogram, names_by_threshold, reliability, wilson

__all__ = ["Evaluation", "FoldModels", "calibration_error", "evaluate", "fit_folds", "score_folds"]

N_FOLDS = 5
# Folds when a fit takes seconds: half the faces of a persona still carry its templates.
N_FOLDS_LARGE, LARGE = 2, 20_000
# Unlabelled faces the fits of the folds look at; the final fit looks at more.
FOLD_BACKGROUND = 5000

Recipe = Callable[[], PersonaClassifier]
Texts = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]


def default_recipe() -> PersonaClassifier:
    """The product's classifier, with a smaller background: five fits instead of one."""
    return PersonaClassifier(max_background=FOLD_BACKGROUND)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoldModels:
    """One classifier a fold, fitted without it; None where nothing was left to fit."""

    models: tuple[PersonaClassifier | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """Answers about held-out faces: labelled ones, arrays (n,), and labelled strangers, arrays (n_strangers,)."""

    keys: tuple[FaceKey, ...]
    truth: Texts  # persona id
    known: Bools  # the fold's classifier knew the persona; if not, the face is a stranger to it
    top: Texts  # most probable persona, "" where there was none
    probability: npt.NDArray[np.float32]  # of `top`
    named: Bools  # `top` was accepted
    named_without: Texts  # who is named if `truth` were unknown; "" for nobody
    probability_without: npt.NDArray[np.float32]  # of the most probable persona if `truth` were unknown
    stranger_keys: tuple[FaceKey, ...]
    stranger_top: Texts
    stranger_probability: npt.NDArray[np.float32]
    stranger_named: Bools

    @property
    def right(self) -> Bools:
        """Named, and rightly."""
        return np.asarray(self.named & (self.top == self.truth))

    @property
    def contradicted(self) -> Bools:
        """Named as somebody else although the label's persona was known: the label or the classifier is wrong."""
        return np.asarray(self.named & (self.top != self.truth) & self.known)

    def strangers(self) -> tuple[int, int]:
        """(named, tried): labelled strangers, and each held-out face as a stranger to a gallery without its persona."""
        named = int((self.named_without != "").sum()) + int(self.stranger_named.sum())
        return named, len(self.keys) + len(self.stranger_keys)

    def personas(self) -> dict[str, dict[str, float]]:
        """Per persona with held-out faces: n, recall, precision, f1."""
        table = {}
        for persona in np.unique(self.truth[self.known]).tolist():
            mine = self.known & (self.truth == persona)
            right = int((self.right & mine).sum())
            taken = int((self.named & (self.top == persona) & (self.truth != persona)).sum())
            taken += int((self.stranger_named & (self.stranger_top == persona)).sum())
            n = int(mine.sum())
            table[persona] = {
                "n": n,
                "recall": round(right / n, 4),
                "precision": round(right / (right + taken), 4) if right + taken else 0.0,
                "f1": round(f1(right, n - right, taken), 4),
            }
        return table

    def metrics(self) -> dict[str, Any]:
        """JSON-able. A share that nothing was seen of is None."""
        personas = self.personas()
        probability = np.concatenate([self.probability, self.stranger_probability])
        correct = np.concatenate([(self.top == self.truth), np.zeros(len(self.stranger_keys), dtype=np.bool_)])
        named, tried = self.strangers()
        return {
            "n": len(self.keys),
            "n_strangers": tried,
            "macro_f1": _mean([row["f1"] for row in personas.values()]),
            "recall": _mean(self.right[self.known]),
            "strangers_named": round(named / tried, 4) if tried else None,
            "strangers_named_interval": [round(share, 4) for share in wilson(named, tried)],
            "calibration_error": round(calibration_error(probability, correct), 4) if len(probability) else None,
            "brier": round(float(np.mean((probability - correct) ** 2)), 4) if len(probability) else None,
            "per_persona": personas,
            "reliability": reliability(probability, correct),
            "thresholds": self._thresholds(),
            "histograms": {
                "known": histogram(self.probability[self.known]),
                "unknown": histogram(np.concatenate([self.probability_without, self.stranger_probability])),
            },
            "confusion": self._confusion(),
            "contradictions": self.contradictions(),
        }

    def contradictions(self) -> list[dict[str, Any]]:
        """Labels that the rest of the labels speak against, the surest first: probably mistakes."""
        rows = np.flatnonzero(self.contradicted)
        rows = rows[np.argsort(-self.probability[rows], kind="stable")]
        return [
            {
                "face": str(self.keys[row]),
                "labelled": str(self.truth[row]),
                "looks_like": str(self.top[row]),
                "probability": round(float(self.probability[row]), 4),
            }
            for row in rows.tolist()
        ]

    def _thresholds(self) -> dict[str, Any]:
        """What would be named if a name needed a probability on top of being accepted; see `names_by_threshold`.

        n: faces whose persona was known; n_others: the other faces, all strangers to their fold; n_strangers: trials
        of `strangers`.
        """
        away = self.named_without != ""
        return {
            "n": int(self.known.sum()),
            "n_others": int((~self.known).sum()) + len(self.stranger_keys),
            "n_strangers": self.strangers()[1],
            "rows": names_by_threshold(
                right=self.probability[self.right & self.known],
                wrong=np.concatenate(
                    [
                        self.probability[self.named & ~(self.right & self.known)],
                        self.stranger_probability[self.stranger_named],
                    ]
                ),
                strangers=np.concatenate(
                    [self.probability_without[away], self.stranger_probability[self.stranger_named]]
                ),
            ),
        }

    def _confusion(self) -> dict[str, Any]:
        """Who was taken for whom. A face that its fold's classifier could not know counts as a stranger's."""
        truth = np.where(self.known, self.truth, "")
        return confusion(
            truth=np.concatenate([truth, np.zeros(len(self.stranger_keys), dtype=truth.dtype)]),
            named=np.concatenate(
                [np.where(self.named, self.top, ""), np.where(self.stranger_named, self.stranger_top, "")]
            ),
            if_unknown=np.concatenate(
                [np.where(self.known, self.named_without, ""), np.zeros(len(self.stranger_keys), dtype=truth.dtype)]
            ),
        )


def evaluate(training_set: TrainingSet, *, n_folds: int | None = None, recipe: Recipe = default_recipe) -> Evaluation:
    """Fit without each fold, score it. Personas whose labels all lie in one fold count as strangers there."""
    return score_folds(fit_folds(training_set, n_folds=n_folds, recipe=recipe), training_set)


def fit_folds(training_set: TrainingSet, *, n_folds: int | None = None, recipe: Recipe = default_recipe) -> FoldModels:
    """One classifier a fold. Two sets are comparable face by face when both were fitted with the same `n_folds`."""
    n_folds = n_folds or folds_for(training_set)
    models: list[PersonaClassifier | None] = []
    for fold in range(n_folds):
        rest = training_set.without_fold(fold, n_folds)
        models.append(
            recipe().fit(rest.X, rest.y, strangers=rest.strangers, rejected=rest.rejected, background=rest.background)
            if len(rest.keys)
            else None
        )
    return FoldModels(models=tuple(models))


def folds_for(training_set: TrainingSet) -> int:
    """Fewer folds where every fit takes seconds."""
    return N_FOLDS if len(training_set.keys) <= LARGE else N_FOLDS_LARGE


def score_folds(folds: FoldModels, judged: TrainingSet) -> Evaluation:
    """Score the labelled faces of `judged`, each by the classifier that was fitted without its fold."""
    width = max(1, *(len(str(name)) for model in folds.models if model for name in model.classes_), 1)
    text = f"<U{width}"
    n, n_strangers, n_folds = len(judged.keys), len(judged.stranger_keys), len(folds.models)
    top, named_without = np.zeros(n, dtype=text), np.zeros(n, dtype=text)
    known, named = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    probability, probability_without = np.zeros(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
    stranger_top = np.zeros(n_strangers, dtype=text)
    stranger_named = np.zeros(n_strangers, dtype=np.bool_)
    stranger_probability = np.zeros(n_strangers, dtype=np.float32)
    truth = judged.y.astype(np.str_)
    fold, stranger_fold = fold_of(judged.keys, n_folds), fold_of(judged.stranger_keys, n_folds)
    for number, model in enumerate(folds.models):
        if model is None:
            continue
        names = model.classes_.astype(np.str_)
        rows = np.flatnonzero(fold == number)
        claims = model.claims(judged.X[rows])
        top[rows], probability[rows] = names[claims.class_index], claims.probability
        named[rows], known[rows] = claims.accepted, np.isin(truth[rows], names)
        own = [(row, int(np.searchsorted(names, truth[face]))) for row, face in enumerate(rows) if known[face]]
        others = model.claims(judged.X[rows], excluded=own)
        named_without[rows] = np.where(others.accepted, names[others.class_index], "")
        probability_without[rows] = others.probability
        rows = np.flatnonzero(stranger_fold == number)
        claims = model.claims(judged.strangers[rows])
        stranger_top[rows], stranger_probability[rows] = names[claims.class_index], claims.probability
        stranger_named[rows] = claims.accepted
    return Evaluation(
        keys=judged.keys,
        truth=truth,
        known=known,
        top=top,
        probability=probability,
        named=named,
        named_without=named_without,
        probability_without=probability_without,
        stranger_keys=judged.stranger_keys,
        stranger_top=stranger_top,
        stranger_probability=stranger_probability,
        stranger_named=stranger_named,
    )


def _mean(values: Any) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None
