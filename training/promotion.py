"""The switch: one compare-and-set of a pointer. Readers see the old version or the new one, never a mixture."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from personas.entities import INGEST, AuditEntry, Champion, ModelVersion, VersionStatus
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.store.base import Store
from training.champion import recogniser_of
from training.matrix import EmbeddingMatrix, MatrixFolder
from training.scoring import publish, score_gap

logger = logging.getLogger(__name__)

#: How often a person's switch is tried again when somebody else switched in between.
SWITCH_ATTEMPTS = 5
#: Ingest events read at a time when looking for the newest face.
EVENTS_AT_ONCE = 100


class UnableToPromoteError(FaceProjectError):
    """A version that cannot become champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Writes predictions of versions and moves the champion pointer."""

    store: Store
    media_root: Path
    cache_root: Path
    clock: Callable[[], datetime]

    def open_matrix(self, embedder: str | None = None) -> EmbeddingMatrix:
        """All embeddings up to now. Raises NotFoundError when nothing was ingested yet."""
        return MatrixFolder(self.cache_root, embedder or self._embedder()).catch_up(self.store)

    def _embedder(self) -> str:
        """The embedder of the newest faces."""
        head = self.store.head(INGEST)
        while head > 0:
            start = max(head - EVENTS_AT_ONCE, 0)
            for event in reversed(self.store.events(INGEST, after=start, limit=EVENTS_AT_ONCE)):
                if event.seq <= head and event.payload.get("embedder"):
                    return str(event.payload["embedder"])
            head = start
        raise NotFoundError("There are no faces yet; `manage.py ingest FOLDER` brings some in.")

    def publish(self, version: ModelVersion, matrix: EmbeddingMatrix | None = None) -> ModelVersion:
        """Write the version's ranked pages over every face known now; nobody sees them before the switch."""
        recogniser = recogniser_of(version, self.media_root)
        if matrix is None or matrix.embedder != version.embedder:
            matrix = self.open_matrix(version.embedder)
        n_scored = publish(self.store, recogniser, matrix)
        scored = dataclasses.replace(version, scored_through=matrix.through_seq, n_scored=n_scored)
        self.store.update_model_version(scored)
        return scored

    def mark_ready(self, version: ModelVersion) -> None:
        """After the switch, never before: a kill in between leaves a version that the next attempt finishes."""
        self.store.update_model_version(dataclasses.replace(version, status=VersionStatus.READY))

    def switch(self, version: int, *, expected_revision: int, actor: str, why: str) -> Champion | None:
        """Compare-and-set, with a line in the audit log; None when somebody else switched first."""
        before = self.store.champion()
        switched = self.store.switch_champion(
            version, expected_revision=expected_revision, actor=actor, at=self.clock()
        )
        detail = {"why": why, "from": before.version if before else None, "revision": expected_revision + 1}
        if switched is None:
            logger.warning("champion switch lost a race", extra={"version": version})
            detail["lost_to"] = before.version if before else None
        self.store.add_audit(
            AuditEntry(
                at=self.clock(),
                actor=actor,
                action="champion_switched" if switched else "champion_switch_lost",
                target=f"version {version}",
                detail=detail,
            )
        )
        return switched

    def score_new_faces(self) -> int:
        """Score faces ingested since the champion's last scoring, without a fit; returns how many."""
        champion = self.store.champion()
        version = self.store.model_version(champion.version) if champion else None
        if version is None or self.store.fresh_through(version.version) >= self.store.head(INGEST):
            return 0
        return score_gap(self.store, recogniser_of(version, self.media_root), self.open_matrix(version.embedder))

    def promote(self, number: int, *, actor: str, why: str = "promoted by hand") -> Champion:
        """Make a version champion, whatever the gate said of it.

        Its predictions are written anew from its artefact (a fixed artefact gives the same ones), so faces it never saw
        and labels made since are in. Raises NotFoundError, UnableToPromoteError, TransientError.
        """
        for _ in range(SWITCH_ATTEMPTS):
            version = self.store.model_version(number)
            if version is None:
                raise NotFoundError(f"There is no version {number}; `manage.py models` lists them.")
            champion = self.store.champion()
            if champion and champion.version == number:
                raise UnableToPromoteError(f"Version {number} is the champion already.")
            published = self.publish(version)
            revision = champion.revision if champion else 0
            switched = self.switch(number, expected_revision=revision, actor=actor, why=why)
            if switched:
                self.mark_ready(published)
                return switched
        raise TransientError("Others kept switching the champion; try again.")

    def rollback(self, *, actor: str) -> Champion:
        """Make the newest earlier version that passed the gate champion again."""
        champion = self.store.champion()
        if champion is None:
            raise UnableToPromoteError("There is no champion to roll back from; `manage.py train` makes the first.")
        cursor: str | None = None
        while True:
            page = self.store.model_versions(cursor=cursor)
            for version in page.items:
                if version.version < champion.version and version.status is VersionStatus.READY:
                    return self.promote(version.version, actor=actor, why=f"rolled back from {champion.version}")
            if page.next_cursor is None:
                raise UnableToPromoteError(f"There is no version before {champion.version} to go back to.")
            cursor = page.next_cursor
