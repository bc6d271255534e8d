"""Writing what a version says: ranked pages over every face, fresh rows for the faces ingested since."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from personas.entities import Label, RankedKind
from personas.face_arrays import RankedFaces
from personas.lease import Lease
from personas.store.base import Store
from training.champion import VersionRecogniser
from training.matrix import EmbeddingMatrix
from training.scoring import Claimed, Scores, score_matrix
from training.settled import Settled

#: Faces written in one call of the store, about. The lease is looked at in between.
FACES_AT_ONCE = 100_000
#: Up to so many new faces the labels of their pictures are asked for; all labels are read for more.
PICTURES_ASKED_FOR = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the pages of a version are made from; the same inputs make the same pages, wherever and however often.

    They are fixed before the first page is written. A trainer that goes on where a killed one stopped takes them over,
    so one that was not killed but only slow writes nothing but what stands there already.
    """

    version: int
    artefact: str  #: SHA-256
    embedder: str
    through_seq: int  #: faces up to this ingest event
    said_through: int  #: people's words up to this label event
    settled: str  #: SHA-256 of the file of what they had settled

    def digest(self) -> str:
        parts = (self.version, self.artefact, self.embedder, self.through_seq, self.said_through, self.settled)
        return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def write_pages(
    store: Store, inputs: Inputs, names: Sequence[str], scores: Scores, lease: Lease, *, anew: bool
) -> None:
    """Write the ranked pages and mark the version as published. Readers do not see it before the pointer moves.

    anew: there may be pages of other inputs, or fresh rows. They go first, so never for the champion, and not where
    there are none: a slow trainer must not drop what another has published meanwhile. Raises LeaseLostError, and has
    then written whole pages only.
    """
    if anew:
        lease.require()
        store.drop_ranked(inputs.version)
    for kind, claimed in ((RankedKind.PREDICTED, scores.predicted), (RankedKind.REVIEW, scores.review)):
        for part in _parts(claimed, names):
            lease.require()
            store.put_ranked(inputs.version, kind, part)
    lease.require()
    store.add_fresh(inputs.version, {}, scored_through=inputs.through_seq)


def _parts(claimed: Claimed, names: Sequence[str]) -> list[dict[str, RankedFaces]]:
    """Personas together, until they have FACES_AT_ONCE faces."""
    parts: dict[int, dict[str, RankedFaces]] = defaultdict(dict)
    n_faces = 0
    for name, faces in claimed.by_persona(names).items():
        parts[n_faces // FACES_AT_ONCE][name] = faces
        n_faces += len(faces)
    return list(parts.values())


def score_gap(
    store: Store, recogniser: VersionRecogniser, matrix: EmbeddingMatrix, lease: Lease, *, said_through: int
) -> int:
    """Score what was ingested after the version's last scoring, without a fit; returns how many faces were scored.

    What people said after `said_through` is overlaid on read, as on the pages.
    """
    since = store.fresh_through(recogniser.version)
    if since >= matrix.through_seq:
        return 0
    rows = np.flatnonzero(matrix.keys["ingest_seq"] > since)
    if len(rows) <= PICTURES_ASKED_FOR:
        of_images = store.labels_of_images({key.image_id for key in matrix.face_keys(rows)})
        labels: Iterator[Label] = (label for said in of_images.values() for label in said)
    else:
        labels = iter(store.all_labels())
    settled = Settled.of(labels, said_through=said_through)
    scores = score_matrix(recogniser, matrix, rows=rows, settled=settled)
    lease.require()
    store.add_fresh(
        recogniser.version, scores.predicted.by_persona(recogniser.names), scored_through=matrix.through_seq
    )
    return len(rows)
