"""The champion against ground truth it never saw: recall by category, strangers named, calibration.

Ground truth comes from sidecars with `labeled: false`; a face that a human labelled since has left it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from personas.entities import FaceKey, Persona, Prediction, Truth
from personas.errors import NotFoundError
from personas.recogniser import Recogniser, current_recogniser
from personas.selectors.faces import predict_faces
from personas.selectors.gallery import all_personas
from personas.store.base import Store
from training.evaluation import calibration_error

#: Faces read and scored at a time.
BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    truth: Truth
    persona_id: str | None  #: of the true persona; None: a stranger to the product
    prediction: Prediction


def truth_report(store: Store, *, recogniser: Recogniser | None = None) -> dict[str, Any]:
    """A JSON-able report. Raises NotFoundError when there is no version or no ground truth."""
    recogniser = recogniser or current_recogniser()
    if recogniser is None:
        raise NotFoundError("There is no version to evaluate yet; `manage.py train` makes the first.")
    judged = _judge(store, recogniser)
    if not judged:
        raise NotFoundError(
            "There is no ground truth: sidecars with `labeled: false` bring it in, and a human's label takes it out."
        )
    known = [one for one in judged if one.persona_id is not None]
    strangers = [one for one in judged if one.persona_id is None]
    top = [one.prediction.candidates[0] for one in judged]
    correct = [persona_id == one.persona_id for one, (persona_id, _) in zip(judged, top, strict=True)]
    probability = np.array([p for _, p in top])
    outcome = np.array(correct, dtype=bool)
    return {
        "version": recogniser.version,
        "n": len(judged),
        "categories": {name: _recall(group) for name, group in sorted(_by_category(known).items())},
        "strangers": {
            **_named(strangers),
            "by_category": {name: _named(group) for name, group in sorted(_by_category(strangers).items())},
        },
        "calibration_error": round(calibration_error(probability, outcome), 4),
        "brier": round(float(np.mean((probability - outcome) ** 2)), 4),
    }


def _judge(store: Store, recogniser: Recogniser) -> list[_Judged]:
    ids = _ids_by_name(all_personas(store))
    judged: list[_Judged] = []
    truths = iter(sorted(store.truths(), key=lambda truth: (truth.image_id, truth.face_no)))
    while batch := list(islice(truths, BATCH)):
        labels = store.labels_of_images({truth.image_id for truth in batch})
        keys = [FaceKey(truth.image_id, truth.face_no) for truth in batch]
        open_keys = [key for key in keys if not any(label.belongs for label in labels.get(key, ()))]
        said = predict_faces(store, open_keys, labels=labels, n_candidates=1, recogniser=recogniser)
        judged.extend(
            _Judged(truth=truth, persona_id=ids.get(truth.persona or ""), prediction=said[key])
            for truth, key in zip(batch, keys, strict=True)
            if key in said and said[key].candidates
        )
    return judged


def _ids_by_name(personas: Any) -> dict[str, str]:
    """Ids of names that stand for one persona only."""
    ids: dict[str, str] = {}
    doubled: set[str] = set()
    persona: Persona
    for persona in personas:
        if persona.name in ids:
            doubled.add(persona.name)
        ids[persona.name] = persona.persona_id
    return {name: persona_id for name, persona_id in ids.items() if name not in doubled}


def _by_category(judged: Sequence[_Judged]) -> Mapping[str, list[_Judged]]:
    groups: dict[str, list[_Judged]] = defaultdict(list)
    for one in judged:
        groups[one.truth.category or "(none)"].append(one)
    return groups


def _recall(group: Sequence[_Judged]) -> dict[str, Any]:
    found = sum(one.prediction.persona_id == one.persona_id for one in group)
    wrong = sum(one.prediction.persona_id not in (one.persona_id, None) for one in group)
    return {"n": len(group), "found": found, "wrong": wrong, "recall": round(found / len(group), 4)}


def _named(group: Sequence[_Judged]) -> dict[str, Any]:
    named = sum(one.prediction.persona_id is not None for one in group)
    return {"n": len(group), "named": named, "share": round(named / len(group), 4) if group else 0.0}
