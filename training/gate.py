"""The gate: may a candidate take the champion's place?

Candidate and champion are compared on the same held-out faces, on personas both know. What gets worse beyond the noise
of the estimate is refused; so is a set of labels that contradicts itself more than the champion's did, because a
poisoned label set makes its own yardstick look good. Misses of a hard look are no contradiction: a face that is not
recognised says nothing against its label, one that is surely somebody else does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from personas.entities import FaceKey
from training.dataset import TrainingSet
from training.evaluation import Evaluation, Recipe, default_recipe, fit_folds, folds_for, score_folds
from training.metrics import at_least_by_chance, mean_and_error, more_than, worse_by_chance

# A change this improbable by chance is a change. Labels come by the hundred: at 1 % the gate would cry wolf weekly.
SIGNIFICANT = 0.01
# Share of strangers that no version may exceed beyond doubt; the product's own promise is half of it.
STRANGERS_LIMIT = 0.01
# Two labels can be a slip of the hand and are shown as such; the gate needs at least this many against a pair.
CONTRADICTIONS_A_PAIR = 2
# Faces of a pair that would be taken for the other persona if their own were unknown. Relatives do that too (half the
# faces of sisters, on LFW), so it is their share among the champion's labels that counts.
MIX_UPS_A_PAIR = 3
# Labels of two personas that are wrong without anybody's malice: half a label in fifty.
USUAL_MISTAKES, USUAL_LABELS = 0.5, 50.0
# Standard errors that make a difference sure (one-sided 1 %).
SURE = 2.33
# Personas needed before their F1 differences say how noisy their mean is.
PERSONAS_FOR_F1 = 5
# A drop in macro-F1 smaller than this is not worth a refusal, however sure.
F1_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """Whether to promote, and in sentences a user understands why not."""

    promote: bool
    reasons: tuple[str, ...] = ()
    personas: tuple[str, ...] = ()  # ids of the personas the reasons speak of
    faces: tuple[FaceKey, ...] = ()  # labels to look at first
    metrics: Mapping[str, Any] = field(default_factory=dict)


def judge(
    training_set: TrainingSet,
    *,
    champion: TrainingSet | None,
    names: Mapping[str, str] | None = None,
    recipe: Recipe = default_recipe,
) -> GateDecision:
    """Fit both label sets without each fold, score the candidate's faces with both, decide.

    champion None: the first version. names: what the sentences call a persona id. The metrics are the candidate's.
    """
    n_folds = folds_for(training_set)
    candidate = score_folds(fit_folds(training_set, n_folds=n_folds, recipe=recipe), training_set)
    if champion is None or not len(champion.keys):
        return decide(candidate, names=names)
    champion_folds = fit_folds(champion, n_folds=n_folds, recipe=recipe)
    return decide(
        candidate,
        champion=score_folds(champion_folds, training_set),
        champion_on_its_own=score_folds(champion_folds, champion),
        names=names,
    )


def decide(
    candidate: Evaluation,
    *,
    champion: Evaluation | None = None,
    champion_on_its_own: Evaluation | None = None,
    names: Mapping[str, str] | None = None,
) -> GateDecision:
    """Compare. candidate and champion: the same faces in the same order, under the candidate's labels;
    champion_on_its_own: the champion's labels, for how often they contradicted each other."""
    metrics = candidate.metrics()
    called = dict(names or {})
    reasons, personas, faces = [], list[str](), list[FaceKey]()
    if champion is None:
        reasons += _too_many_strangers(candidate)
        return GateDecision(promote=not reasons, reasons=tuple(reasons), metrics=metrics)
    for reason, pair, keys in _contradictions(candidate, champion_on_its_own or champion, called):
        reasons.append(reason)
        personas += [persona for persona in pair if persona not in personas]
        faces += keys
    for reason, persona in _recall_lost(candidate, champion, called):
        reasons.append(reason)
        personas += [persona] if persona and persona not in personas else []
    reasons += _f1_lost(candidate, champion)
    reasons += _more_strangers(candidate, champion) or (
        _too_many_strangers(candidate) if _stranger_share(candidate) > _stranger_share(champion) else []
    )
    metrics["compared"] = int((candidate.known & champion.known).sum())
    return GateDecision(
        promote=not reasons, reasons=tuple(reasons), personas=tuple(personas), faces=tuple(faces), metrics=metrics
    )


def _contradictions(
    candidate: Evaluation, before: Evaluation, called: Mapping[str, str]
) -> list[tuple[str, tuple[str, str], list[FaceKey]]]:
    """Pairs of personas whose labels are taken for each other more often than the champion's were."""
    known_before = set(before.truth.tolist())
    n_now, n_earlier = Counter(candidate.truth.tolist()), Counter(before.truth.tolist())
    found: dict[tuple[str, str], list[int]] = {}
    earlier = _contradicted_pairs(before)
    for pair, rows in _contradicted_pairs(candidate).items():
        usual = len(earlier.get(pair, [])) + USUAL_MISTAKES
        rate = min(0.5, usual / (n_earlier[pair[0]] + n_earlier[pair[1]] + USUAL_LABELS))
        n = n_now[pair[0]] + n_now[pair[1]]
        if len(rows) >= CONTRADICTIONS_A_PAIR and at_least_by_chance(len(rows), n, rate) < SIGNIFICANT:
            found[pair] = rows
    earlier = _mixed_up_pairs(before)
    for pair, rows in _mixed_up_pairs(candidate).items():
        n, n_before = (counts[pair[0]] + counts[pair[1]] for counts in (n_now, n_earlier))
        if len(rows) >= MIX_UPS_A_PAIR and more_than(len(rows), n, len(earlier.get(pair, [])), n_before) < SIGNIFICANT:
            found.setdefault(pair, rows)
    found = {pair: rows for pair, rows in found.items() if known_before.issuperset(pair)}
    return [_swapped(pair, found[pair], candidate, called) for pair in sorted(found)]


def _swapped(
    pair: tuple[str, str], rows: list[int], candidate: Evaluation, called: Mapping[str, str]
) -> tuple[str, tuple[str, str], list[FaceKey]]:
    both = " and ".join(called.get(persona, persona) for persona in pair)
    n = int(np.isin(candidate.truth, pair).sum())
    reason = (
        f"Of the {n} faces labelled as {both}, {len(rows)} look like the other one. Some labels of {both} are probably "
        "swapped: look through them and correct them; a new version starts by itself."
    )
    return reason, pair, [candidate.keys[row] for row in rows]


def _contradicted_pairs(evaluation: Evaluation) -> dict[tuple[str, str], list[int]]:
    """Faces surely named as the other persona although their own was known, by pair; the surest first."""
    rows = np.flatnonzero(evaluation.contradicted)
    return _by_pair(evaluation, rows, evaluation.top)


def _mixed_up_pairs(evaluation: Evaluation) -> dict[tuple[str, str], list[int]]:
    """The same, with faces that would be named as the other persona if their own were unknown."""
    rows = np.flatnonzero(evaluation.contradicted | (evaluation.named_without != ""))
    other = np.where(evaluation.contradicted, evaluation.top, evaluation.named_without)
    return _by_pair(evaluation, rows, other)


def _by_pair(
    evaluation: Evaluation, rows: npt.NDArray[np.intp], other: npt.NDArray[np.str_]
) -> dict[tuple[str, str], list[int]]:
    pairs: dict[tuple[str, str], list[int]] = {}
    for row in rows[np.argsort(-evaluation.probability[rows], kind="stable")].tolist():
        a, b = sorted((str(evaluation.truth[row]), str(other[row])))
        if a != b:
            pairs.setdefault((a, b), []).append(row)
    return pairs


def _recall_lost(candidate: Evaluation, champion: Evaluation, called: Mapping[str, str]) -> list[tuple[str, str]]:
    """Faces the champion named rightly and the candidate does not, over all personas and one by one."""
    shared = candidate.known & champion.known
    lost, won = champion.right & ~candidate.right & shared, candidate.right & ~champion.right & shared
    found = []
    if worse_by_chance(int(lost.sum()), int(won.sum())) < SIGNIFICANT:
        found.append(
            (
                f"Of {int(shared.sum())} held-out faces it misses {int(lost.sum())} that the present version names "
                f"rightly, and gains {int(won.sum())}. Look through the labels made since.",
                "",
            )
        )
    for persona in np.unique(candidate.truth[lost]).tolist():
        mine = candidate.truth == persona
        name = called.get(persona, persona)
        n_lost, n_won = int((lost & mine).sum()), int((won & mine).sum())
        if worse_by_chance(n_lost, n_won) < SIGNIFICANT:
            found.append(
                (
                    f"It finds {name} less often: {n_lost} of {int((shared & mine).sum())} held-out faces lost, "
                    f"{n_won} gained. Look through the labels of {name}.",
                    persona,
                )
            )
    return found


def _f1_lost(candidate: Evaluation, champion: Evaluation) -> list[str]:
    """The mean over personas, so that one with few faces counts as much as one with many."""
    now, before = candidate.personas(), champion.personas()
    differences = [now[persona]["f1"] - before[persona]["f1"] for persona in sorted(now.keys() & before.keys())]
    mean, error = mean_and_error(differences)
    if len(differences) < PERSONAS_FOR_F1 or mean > -F1_TOLERANCE or mean > -SURE * error:
        return []
    return [
        f"Over {len(differences)} personas the mean F1 falls by {-mean:.3f}. Look through the labels made since the "
        "present version."
    ]


def _more_strangers(candidate: Evaluation, champion: Evaluation) -> list[str]:
    """The same trials, candidate against champion. A new persona may fail nothing, but must not name strangers."""
    lost = int(((candidate.named_without != "") & (champion.named_without == "")).sum())
    won = int(((candidate.named_without == "") & (champion.named_without != "")).sum())
    lost += int((candidate.stranger_named & ~champion.stranger_named).sum())
    won += int((~candidate.stranger_named & champion.stranger_named).sum())
    if worse_by_chance(lost, won) >= SIGNIFICANT:
        return []
    named, tried = candidate.strangers()
    return [
        f"It gives a name to {named} of {tried} strangers, {lost - won} more than the present version. Look for faces "
        "labelled as the wrong persona, or label some strangers as such."
    ]


def _too_many_strangers(candidate: Evaluation) -> list[str]:
    """Beyond doubt over the limit. A persona counts as one observation: relatives are mistaken for each other by the
    dozen, and that is no fault of the labels."""
    away = candidate.named_without != ""
    rates = [float(away[candidate.truth == persona].mean()) for persona in np.unique(candidate.truth).tolist()]
    mean, error = mean_and_error([*rates, *candidate.stranger_named.astype(np.float64).tolist()])
    if mean - SURE * error <= STRANGERS_LIMIT:
        return []
    named, tried = candidate.strangers()
    return [
        f"It gives a name to {named} of {tried} strangers; at most {STRANGERS_LIMIT:.0%} is allowed. Look for one "
        "person labelled as two personas, or label some strangers as such."
    ]


def _stranger_share(evaluation: Evaluation) -> float:
    named, tried = evaluation.strangers()
    return named / tried if tried else 0.0
