"""Scoring faces with a version: ranked pages for a whole version, fresh rows for what was ingested since."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np

from personas.entities import LABELS, FaceKey, Label, RankedFace, RankedKind
from personas.selectors.faces import rejections
from personas.store.base import Store
from training.champion import VersionRecogniser
from training.matrix import EmbeddingMatrix

#: Faces scored at a time: the similarity block of 64 personas x 8 looks stays within a few dozen MB.
CHUNK = 16_384
#: Faces on the review list of one persona.
REVIEW_LIMIT = 1000
#: Faces less certain than 0.95 and more likely than 0.05: worth a person's look.
REVIEW_UNCERTAINTY = 0.1

Rows = dict[str, list[RankedFace]]


def score_matrix(
    recogniser: VersionRecogniser,
    matrix: EmbeddingMatrix,
    *,
    rows: slice | np.ndarray[tuple[int], np.dtype[np.intp]],
    named: Collection[FaceKey],
    rejected: Mapping[FaceKey, frozenset[str]],
) -> tuple[Rows, Rows]:
    """(predicted, review) a persona for these rows of the matrix, in ranked order.

    Faces a human named are left out; a rejected face goes to the next persona that claims it, or to none.
    """
    predicted: Rows = defaultdict(list)
    review: Rows = defaultdict(list)
    index = np.arange(len(matrix))[rows]
    skip = set(matrix.rows_of(named).values())
    barred = {row: rejected[key] for key, row in matrix.rows_of(rejected.keys()).items()}
    names = [str(name) for name in recogniser.classifier.classes_]
    for start in range(0, len(index), CHUNK):
        part = index[start : start + CHUNK]
        claims = recogniser.classifier.claims(
            np.ascontiguousarray(matrix.vectors[part]), excluded=_excluded(part, barred, names)
        )
        probability = np.round(claims.probability.astype(np.float64), 6)
        for i in np.flatnonzero(claims.accepted | (claims.uncertainty >= REVIEW_UNCERTAINTY)).tolist():
            if int(part[i]) in skip:
                continue
            ranked = RankedFace(matrix.face_key(int(part[i])), float(probability[i]))
            name = names[claims.class_index[i]]
            if claims.accepted[i]:
                predicted[name].append(ranked)
            if claims.uncertainty[i] >= REVIEW_UNCERTAINTY:
                review[name].append(ranked)
    for ranked_faces in predicted.values():
        ranked_faces.sort(key=lambda ranked: (-ranked.probability, ranked.key))
    for name, ranked_faces in review.items():
        ranked_faces.sort(key=lambda ranked: (abs(ranked.probability - 0.5), ranked.key))
        review[name] = ranked_faces[:REVIEW_LIMIT]
    return dict(predicted), dict(review)


def _excluded(
    part: np.ndarray[tuple[int], np.dtype[np.intp]], barred: Mapping[int, frozenset[str]], names: list[str]
) -> list[tuple[int, int]] | None:
    if not barred:
        return None
    number = {name: i for i, name in enumerate(names)}
    pairs = [
        (i, number[persona_id])
        for i, row in enumerate(part.tolist())
        for persona_id in barred.get(row, ())
        if persona_id in number
    ]
    return pairs or None


def publish(store: Store, recogniser: VersionRecogniser, matrix: EmbeddingMatrix) -> tuple[int, int]:
    """Write the ranked pages of a version over the whole matrix.

    Returns how many faces it names, and the label event through which faces that people settled are left out. Readers
    do not see the pages before the champion pointer moves. Done twice, it writes the same pages again. Never for the
    champion: its readers would see them go.
    """
    said_through = store.head(LABELS)
    labels: dict[FaceKey, tuple[Label, ...]] = defaultdict(tuple)
    for label in store.all_labels():
        labels[label.key] += (label,)
    named, rejected = settled(labels, said_through)
    predicted, review = score_matrix(recogniser, matrix, rows=slice(None), named=named, rejected=rejected)
    store.drop_ranked(recogniser.version)
    store.put_ranked(recogniser.version, RankedKind.PREDICTED, predicted)
    store.put_ranked(recogniser.version, RankedKind.REVIEW, review)
    store.add_fresh(recogniser.version, {}, scored_through=matrix.through_seq)
    return sum(len(ranked) for ranked in predicted.values()), said_through


def score_gap(store: Store, recogniser: VersionRecogniser, matrix: EmbeddingMatrix, *, said_through: int) -> int:
    """Score what was ingested after the version's last scoring, without a fit; returns how many faces were scored.

    What people said after `said_through` is overlaid on read, as on the pages.
    """
    since = store.fresh_through(recogniser.version)
    if since >= matrix.through_seq:
        return 0
    rows = np.flatnonzero(matrix.keys["ingest_seq"] > since)
    labels = store.labels_of_images({key.image_id for key in matrix.face_keys(rows.tolist())})
    named, rejected = settled(labels, said_through)
    predicted, _ = score_matrix(recogniser, matrix, rows=rows, named=named, rejected=rejected)
    store.add_fresh(recogniser.version, predicted, scored_through=matrix.through_seq)
    return len(rows)


def settled(
    labels: Mapping[FaceKey, tuple[Label, ...]], said_through: int
) -> tuple[set[FaceKey], dict[FaceKey, frozenset[str]]]:
    """Faces a human named, and what each face was said not to be, by events up to `said_through`."""
    then = {key: tuple(label for label in said if label.seq <= said_through) for key, said in labels.items()}
    named = {key for key, said in then.items() if any(label.belongs for label in said)}
    return named, rejections(then)
