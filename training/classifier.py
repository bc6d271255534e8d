"""The open-set classifier: who is this face, if anybody we know?

Open-set first: most faces in the world are nobody we know, so a persona has to be better than a stranger, not only
better than the other personas. Templates per look (training/templates.py, training/looks.py), a cut-off from what
strangers score with each template (training/thresholds.py), probabilities by Bayes' rule (training/calibration.py).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from training.calibration import fit_genuine, fit_shares, prior_genuine
from training.gallery import Claims, Excluded, Gallery, Scored
from training.looks import LabelledLooks, faces_of_opened_looks, strengthened
from training.templates import Templates, build_templates, group_looks, unit
from training.thresholds import (
    Impostors,
    centre_of,
    cut_off,
    evenly,
    fit_impostors,
    probable_personas,
)

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rejected = tuple[npt.ArrayLike, npt.ArrayLike]

# A counter-example that scores below this with every template it could speak against changes no prediction.
COUNTER_EXAMPLE_MATTERS = 1.5
# From this many strangers on, the tail of a template is seen well enough without the labels of other personas.
ENOUGH_STRANGERS = 200
# Labels of other personas that stand in for strangers, at most.
ENOUGH_LABELS = 2000
# Cosines (strangers x templates) that one step of a fit looks at: bounds time and memory for thousands of personas.
SCORES_IN_A_FIT = 10_000_000


class PersonaClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Names the personas of faces and leaves strangers unnamed.

    Parameters
    ----------
    max_strangers_named: share of strangers that may be given a name, over the whole gallery; sets the cut-off. The
        product promises 0.5 %; the default keeps a fifth of that in reserve.
    unknown_label: what `predict` says for Unknown; None: "unknown" for text ids, -1 for numbers.
    unknown_prior: share of strangers among faces, before any background was seen.
    main_look, other_look: mean cosine (centred) from which labels make one look: the main one; the others.
    look_pull: weight of the main look in the template of another one of three labels.
    max_looks: looks a persona may have.
    n_propagations: rounds in which unlabelled faces strengthen hard looks (training/looks.py); 0: none.
    max_background: background faces used; more are subsampled.
    random_state: seed of that subsample.

    Attributes
    ----------
    classes_: (n_classes,) persona ids in ascending order.
    gallery_: everything predictions depend on; what the artefact stores.
    """

    def __init__(
        self,
        *,
        max_strangers_named: float = 0.004,
        unknown_label: Any = None,
        unknown_prior: float = 0.5,
        main_look: float = 0.5,
        other_look: float = 0.1,
        look_pull: float = 1.0,
        max_looks: int = 8,
        n_propagations: int = 2,
        max_background: int = 20_000,
        random_state: int = 0,
    ) -> None:
        self.max_strangers_named = max_strangers_named
        self.unknown_label = unknown_label
        self.unknown_prior = unknown_prior
        self.main_look = main_look
        self.other_look = other_look
        self.look_pull = look_pull
        self.max_looks = max_looks
        self.n_propagations = n_propagations
        self.max_background = max_background
        self.random_state = random_state

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        strangers: npt.ArrayLike | None = None,
        rejected: Rejected | None = None,
        background: npt.ArrayLike | None = None,
    ) -> Self:
        """Learn from labels and from what is known not to be true.

        X: float32 (n_labels, n_features), embeddings, normalised here if they are not; y: (n_labels,) persona ids.
        strangers: (s, n_features), faces a human said are nobody we know.
        rejected: (X (m, n_features), y (m,)): "this face is not that persona"; ids without labels make no class.
        background: (b, n_features), unlabelled faces: strangers and the personas themselves, mixed.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        _check_ids(np.asarray(y))
        self.classes_, class_index = np.unique(y, return_inverse=True)
        faces, class_index = _without_contradictions(unit(np.asarray(X)), class_index.astype(np.int64))
        known_strangers = self._faces_or_none(strangers)
        probable, unlabelled = self._split_background(background, faces, class_index)
        cohort = np.concatenate([known_strangers, unlabelled])
        centre = centre_of(cohort, faces.shape[1]) if len(cohort) else _centre_of_personas(faces, class_index)
        pool = unit(np.concatenate([probable, unlabelled]) - centre)
        labels = unit(faces - centre)
        labels[~faces.any(axis=1)] = 0  # no embedding, no template: nothing resembles it
        scored = self._fit_templates(labels, class_index, unit(cohort - centre), pool)
        unknown_prior, unseen_share = fit_shares(
            scored,
            evenly(pool, SCORES_IN_A_FIT // len(scored.vectors)).astype(np.float32),
            len(self.classes_),
            self.unknown_prior,
        )
        self.gallery_ = Gallery(
            classes=self.classes_,
            centre=centre.astype(np.float32),
            templates=scored,
            counter_examples=self._counter_examples(scored, centre, known_strangers, rejected),
            cut_off=cut_off(self.max_strangers_named, len(scored.vectors)),
            unknown_prior=unknown_prior,
            unseen_share=unseen_share,
        )
        return self

    def _fit_templates(self, labels: Floats, class_index: Ints, cohort: Floats, pool: Floats) -> Scored:
        """Templates with what strangers and own faces score. All: unit rows in the centred space, (n, n_features)."""
        looks = LabelledLooks(faces=labels, class_index=class_index, groups=self._looks(labels, class_index))
        templates = build_templates(labels, class_index, looks.groups, np.ones(len(labels)), pull=self.look_pull)
        impostors = _impostors(templates, cohort, labels, class_index)
        for _ in range(self.n_propagations if len(pool) and templates.hard.any() else 0):
            joined, template = faces_of_opened_looks(pool, templates, impostors)
            templates = strengthened(looks, pool, joined, template, templates, pull=self.look_pull)
            impostors = _impostors(templates, cohort, labels, class_index)
        genuine = fit_genuine(templates, impostors)
        return Scored(
            vectors=templates.vectors.astype(np.float32),
            class_index=templates.class_index.astype(np.int32),
            impostor_mean=impostors.mean.astype(np.float32),
            impostor_deviation=impostors.deviation.astype(np.float32),
            genuine_mean=genuine.mean.astype(np.float32),
            genuine_deviation=genuine.deviation.astype(np.float32),
        )

    def predict(self, X: npt.ArrayLike) -> Array:
        """Persona id of each face, or the unknown label. X: (n, n_features) -> (n,)."""
        claims = self.claims(X)
        named: Array = self.classes_[claims.class_index]
        unknown = self.unknown_label
        if unknown is None:
            unknown = "unknown" if self.classes_.dtype.kind in "OUS" else -1
        if self.classes_.dtype.kind == "U":
            named = named.astype(np.result_type(named.dtype, np.array(unknown).dtype))
        named[~claims.accepted] = unknown
        return named

    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Probability of each persona: (n, n_classes). What a row lacks to one is the probability of Unknown."""
        faces = self._validated(X)
        return self.gallery_.probabilities(faces)

    def claims(self, X: npt.ArrayLike, *, n_candidates: int = 1, excluded: Excluded | None = None) -> Claims:
        """Everything about n faces in one pass. X: (n, n_features).

        excluded: (row, class) pairs that must not be claimed, because a human rejected them.
        """
        if isinstance(X, np.ndarray) and not len(X):  # scikit-learn refuses an empty array
            check_is_fitted(self, "gallery_")
            return self.gallery_.claims(np.zeros((0, self.n_features_in_), np.float32), n_candidates=n_candidates)
        faces = self._validated(X)
        return self.gallery_.claims(faces, n_candidates=n_candidates, excluded=excluded)

    def _validated(self, X: npt.ArrayLike) -> npt.NDArray[np.float32]:
        check_is_fitted(self, "gallery_")
        faces: npt.NDArray[np.float32] = validate_data(self, X, reset=False, dtype=np.float32)
        return faces

    def _faces_or_none(self, faces: npt.ArrayLike | None) -> Floats:
        """Unit rows of usable embeddings; (0, n_features) where there are none."""
        if faces is None or not np.size(faces):
            return np.zeros((0, self.n_features_in_))
        rows = unit(np.asarray(faces, dtype=np.float64))
        return rows[np.isfinite(rows).all(axis=1) & rows.any(axis=1)]

    def _looks(self, labels: Floats, class_index: Ints) -> Ints:
        """Look of each label inside its persona: (n_labels,), 0 the main one."""
        groups = np.zeros(len(labels), dtype=np.int64)
        for persona in range(len(self.classes_)):
            rows = np.flatnonzero(class_index == persona)
            groups[rows] = group_looks(
                labels[rows], tight=self.main_look, loose=self.other_look, max_looks=self.max_looks
            )
        return groups

    def _split_background(
        self, background: npt.ArrayLike | None, faces: Floats, class_index: Ints
    ) -> tuple[Floats, Floats]:
        """Background faces that are probably one of the personas, and those that are hardly one: unit rows."""
        if background is not None and len(np.asarray(background)) > self.max_background:
            rng = np.random.default_rng(self.random_state)
            drawn = np.sort(rng.choice(len(np.asarray(background)), self.max_background, replace=False))
            background = np.asarray(background)[drawn]
        rows = self._faces_or_none(background)
        if not len(rows):
            return rows, rows
        prototypes = unit(np.stack([faces[class_index == c].mean(axis=0) for c in range(len(self.classes_))]))
        probable = probable_personas(rows, prototypes)
        return rows[probable], rows[~probable]

    def _counter_examples(
        self, templates: Scored, centre: Floats, strangers: Floats, rejected: Rejected | None
    ) -> Scored:
        """Faces that a persona must not be taken for: each competes with the personas it speaks against."""
        rows, owners = [strangers], [np.full(len(strangers), -1)]
        if rejected is not None and np.size(rejected[0]):
            rejected_faces = unit(np.asarray(rejected[0], dtype=np.float64))
            rejected_ids = np.asarray(rejected[1])
            for index, persona in enumerate(self.classes_):
                mine = rejected_faces[(rejected_ids == persona) & rejected_faces.any(axis=1)]
                rows.append(mine)
                owners.append(np.full(len(mine), index))
        vectors = unit(np.concatenate(rows) - centre).astype(np.float32)
        owner = np.concatenate(owners).astype(np.int32)
        scores = templates.scores(vectors)
        spoken_against = (owner[:, None] < 0) | (owner[:, None] == templates.class_index)
        matters = np.where(spoken_against, scores, -np.inf).max(axis=1, initial=-np.inf) >= COUNTER_EXAMPLE_MATTERS
        vectors, owner = vectors[matters], owner[matters]
        deviation = float(np.median(templates.impostor_deviation))
        mean, spread = prior_genuine(deviation)
        n_counter = len(vectors)
        return Scored(
            vectors=vectors,
            class_index=owner,
            impostor_mean=np.zeros(n_counter, dtype=np.float32),
            impostor_deviation=np.full(n_counter, deviation, dtype=np.float32),
            genuine_mean=np.full(n_counter, mean, dtype=np.float32),
            genuine_deviation=np.full(n_counter, spread, dtype=np.float32),
        )


def _check_ids(y: Array) -> None:
    """Persona ids are names or whole numbers; scikit-learn's own check warns of every gallery with few labels each."""
    if y.dtype.kind == "f" and (y != np.floor(y)).any():
        raise ValueError("Unknown label type: continuous. Persona ids are text or whole numbers.")


def _without_contradictions(faces: Floats, class_index: Ints) -> tuple[Floats, Ints]:
    """Each embedding once a persona; one that is labelled as two personas counts for neither, if both have others."""
    _, same = np.unique(faces, axis=0, return_inverse=True)
    same = same.reshape(-1)
    _, first = np.unique(np.stack([same, class_index]), axis=1, return_index=True)
    keep = np.sort(first)
    faces, class_index, same = faces[keep], class_index[keep], same[keep]
    doubtful = (np.bincount(same)[same] > 1) | ~faces.any(axis=1)
    sound = np.bincount(class_index[~doubtful], minlength=class_index.max() + 1)
    keep = ~doubtful | (sound[class_index] == 0)
    return faces[keep], class_index[keep]


def _centre_of_personas(faces: Floats, class_index: Ints) -> Floats:
    """Without strangers to learn the mean from: the mean of the personas, each counted once."""
    means = np.stack([faces[class_index == persona].mean(axis=0) for persona in range(class_index.max() + 1)])
    return centre_of(unit(means), faces.shape[1])


def _impostors(templates: Templates, cohort: Floats, labels: Floats, class_index: Ints) -> Impostors:
    """Impostors from the cohort; the labels of other personas fill in where it is small."""
    n_templates, n_features = templates.vectors.shape
    cohort = evenly(cohort, max(ENOUGH_STRANGERS, SCORES_IN_A_FIT // n_templates))
    if len(cohort) >= ENOUGH_STRANGERS or class_index.max() == 0:
        return fit_impostors(templates.vectors @ cohort.T, n_features, len(cohort))
    mean, deviation = np.zeros(n_templates), np.zeros(n_templates)
    n_people = len(cohort) + int(class_index.max())
    for template, owner in enumerate(templates.class_index):
        others = evenly(labels[class_index != owner], ENOUGH_LABELS)
        scores = np.concatenate([cohort, others]) @ templates.vectors[template]
        fitted = fit_impostors(scores[None, :], n_features, n_people)
        mean[template], deviation[template] = fitted.mean[0], fitted.deviation[0]
    return Impostors(mean=mean, deviation=deviation)
