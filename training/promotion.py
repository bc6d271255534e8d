"""The switch: one compare-and-set of a pointer. Readers see the old version or the new one, never a mixture."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from personas.entities import INGEST, AuditEntry, Champion, ModelVersion, VersionStatus
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import Lease, LeaseLostError, held_lease
from personas.store.base import Store
from training.champion import recogniser_of
from training.matrix import EmbeddingMatrix, MatrixFolder
from training.scoring import publish, score_gap

logger = logging.getLogger(__name__)

#: One fit, publication or switch at a time.
TRAINER_LEASE = "trainer"
#: How long a person's switch, and the scoring of new faces, wait for a fit that is under way.
PERSON_WAIT_SECONDS, SCORING_WAIT_SECONDS = 30.0, 10.0
#: Predictions of versions that are neither champion nor the one before it are kept this long.
KEEP_PAGES = timedelta(days=1)
#: Cursor: predictions of every version up to this one were dropped. Versions looked at in one go.
DROPPED_CURSOR, VERSIONS_LOOKED_AT = "dropped_pages", 100
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

    def open_matrix(self, embedder: str) -> EmbeddingMatrix:
        """All embeddings of one embedder, up to now."""
        return MatrixFolder(self.cache_root, embedder).catch_up(self.store)

    def newest_embedder(self) -> str:
        """The embedder of the newest faces. Raises NotFoundError when nothing was ingested yet."""
        head = self.store.head(INGEST)
        while head > 0:
            start = max(head - EVENTS_AT_ONCE, 0)
            for event in reversed(self.store.events(INGEST, after=start, limit=EVENTS_AT_ONCE)):
                if event.seq <= head and event.payload.get("embedder"):
                    return str(event.payload["embedder"])
            head = start
        raise NotFoundError("There are no faces yet; `manage.py ingest FOLDER` brings some in.")

    def publish(self, version: ModelVersion, matrix: EmbeddingMatrix) -> ModelVersion:
        """Write the version's ranked pages over every face known now; nobody sees them before the switch."""
        n_scored, said_through = publish(self.store, recogniser_of(version, self.media_root), matrix)
        published = dataclasses.replace(
            version, scored_through=matrix.through_seq, n_scored=n_scored, said_through=said_through
        )
        self.store.update_model_version(published)
        return published

    def mark_ready(self, version: ModelVersion, *, replaced: int) -> None:
        """After the switch, never before: a kill in between leaves a version that the next attempt finishes."""
        ready = dataclasses.replace(version, status=VersionStatus.READY, replaced=replaced)
        self.store.update_model_version(ready)

    def settle(self, version: int) -> bool:
        """After an attempt that came too late: is the version in use all the same, by another attempt that finished it?

        Then it is ready, whatever this one has written of it since.
        """
        champion, standing = self.store.champion(), self.store.model_version(version)
        if champion is None or standing is None or champion.version != version:
            return False
        if standing.status is not VersionStatus.READY:
            self.mark_ready(standing, replaced=standing.replaced)
        return True

    def switch(self, version: int, *, champion: Champion | None, actor: str, why: str) -> Champion | None:
        """Compare-and-set from `champion` as it was read before, with a line in the audit log.

        None: somebody else switched first.
        """
        revision = champion.revision if champion else 0
        switched = self.store.switch_champion(version, expected_revision=revision, actor=actor, at=self.clock())
        detail: dict[str, object] = {"why": why, "from": champion.version if champion else None}
        if switched is None:
            logger.warning("a champion switch lost a race", extra={"version": version})
            now = self.store.champion()
            detail["lost_to"] = now.version if now else None
        action = "champion_switched" if switched else "champion_switch_lost"
        self.store.add_audit(
            AuditEntry(at=self.clock(), actor=actor, action=action, target=f"version {version}", detail=detail)
        )
        return switched

    def score_new_faces(self) -> int:
        """Score faces ingested since the champion's last scoring, without a fit; returns how many.

        Raises LeaseBusyError while a version is being trained or published.
        """
        if not self._gap():
            return 0
        with held_lease(self.store, TRAINER_LEASE, clock=self.clock, wait_seconds=SCORING_WAIT_SECONDS):
            version = self._gap()
            if version is None:
                return 0
            matrix = self.open_matrix(version.embedder)
            recogniser = recogniser_of(version, self.media_root)
            return score_gap(self.store, recogniser, matrix, said_through=version.said_through)

    def _gap(self) -> ModelVersion | None:
        """The champion, when there are faces it has not scored."""
        champion = self.store.champion()
        if champion is None or self.store.fresh_through(champion.version) >= self.store.head(INGEST):
            return None
        return self.store.model_version(champion.version)

    def promote(self, number: int, *, actor: str, expected_version: int | None = None) -> Champion:
        """Make a version champion, whatever the gate said of it.

        `expected_version`: the champion the person saw. Raises NotFoundError, UnableToPromoteError, TransientError.
        """
        with held_lease(self.store, TRAINER_LEASE, clock=self.clock, wait_seconds=PERSON_WAIT_SECONDS) as lease:
            champion = self._champion_seen(expected_version)
            replaced = champion.version if champion else 0
            return self._put_in_use(number, champion, lease, actor=actor, why="promoted by hand", replaced=replaced)

    def rollback(self, *, actor: str, expected_version: int | None = None) -> Champion:
        """Go back to the version that the champion took over from; raises as `promote`."""
        with held_lease(self.store, TRAINER_LEASE, clock=self.clock, wait_seconds=PERSON_WAIT_SECONDS) as lease:
            champion = self._champion_seen(expected_version)
            current = self.store.model_version(champion.version) if champion else None
            if champion is None or current is None:
                raise UnableToPromoteError("There is no champion to roll back from; `manage.py train` makes the first.")
            if not current.replaced:
                raise UnableToPromoteError(f"There is no version before {champion.version} to go back to.")
            target = self.store.model_version(current.replaced)
            return self._put_in_use(
                current.replaced,
                champion,
                lease,
                actor=actor,
                why="rolled back",
                replaced=target.replaced if target else 0,
            )

    def _champion_seen(self, expected_version: int | None) -> Champion | None:
        champion = self.store.champion()
        if champion and expected_version is not None and champion.version != expected_version:
            raise UnableToPromoteError(
                f"Version {champion.version} has become champion since this was asked (it was {expected_version}). "
                "Look again, and ask again if it still should change."
            )
        return champion

    def _put_in_use(
        self, number: int, champion: Champion | None, lease: Lease, *, actor: str, why: str, replaced: int
    ) -> Champion:
        """Write the version's predictions anew and switch to it.

        A fixed artefact gives the same predictions; faces it never saw, and labels made since, are in.
        """
        version = self.store.model_version(number)
        if version is None:
            raise NotFoundError(f"There is no version {number}; `manage.py models` lists them.")
        if champion and champion.version == number:
            raise UnableToPromoteError(f"Version {number} is the champion already.")
        published = dataclasses.replace(self.publish(version, self.open_matrix(version.embedder)), replaced=replaced)
        self.store.update_model_version(published)
        try:
            lease.require()
        except LeaseLostError:
            self.settle(number)
            raise
        switched = self.switch(number, champion=champion, actor=actor, why=why)
        if switched is None:
            self.settle(number)
            raise TransientError("Somebody else switched the champion meanwhile; look again, and try again.")
        self.mark_ready(published, replaced=replaced)
        return switched

    def drop_old_pages(self) -> int:
        """Forget predictions of versions older than a day (a rollback writes them again); returns how many."""
        champion = self.store.champion()
        current = self.store.model_version(champion.version) if champion else None
        if current is None:
            return 0
        kept = {current.version, current.replaced}
        first = self.store.cursor(DROPPED_CURSOR) + 1
        dropped, all_dropped = 0, True
        for number in range(first, first + VERSIONS_LOOKED_AT):
            version = self.store.model_version(number)
            if version is None or self.clock() - version.created_at <= KEEP_PAGES:
                break
            if number in kept:
                all_dropped = False
            elif self.store.fresh_through(number):
                self.store.drop_ranked(number)
                dropped += 1
            if all_dropped:
                self.store.advance_cursor(DROPPED_CURSOR, number)
        return dropped
