"""The switch: one compare-and-set of a pointer. Readers see the old version or the new one, never a mixture."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from personas.entities import INGEST, LABELS, AuditEntry, Champion, ModelVersion, VersionStatus
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import Lease, held_lease
from personas.media import MediaFolder
from personas.store.base import Store
from training.champion import recogniser_from, recogniser_of, require_artefact
from training.matrix import EmbeddingMatrix, MatrixFolder
from training.publication import Inputs, score_gap, write_pages
from training.rescoring import Rescoring
from training.scoring import Scores, score_matrix
from training.settled import Settled
from training.withdrawal import holds_erased, withdraw_artefacts

logger = logging.getLogger(__name__)

#: One fit, publication or switch at a time.
TRAINER_LEASE = "trainer"
#: How long a person's switch, and the scoring of new faces, wait for a fit that is under way.
PERSON_WAIT_SECONDS, SCORING_WAIT_SECONDS = 30.0, 10.0
#: Predictions of versions that are neither champion nor the one before it are kept this long.
KEEP_PAGES = timedelta(days=1)
#: Cursor: predictions of every version up to this one were dropped. Versions looked at in one go.
DROPPED_CURSOR, VERSIONS_LOOKED_AT = "dropped_pages", 100
#: In a version's metrics: SHA-256 of the file of what people had settled when it was published.
SETTLED = "settled"
#: Ingest events read at a time when looking for the newest face.
EVENTS_AT_ONCE = 100


#: In the audit log: what a switch is called, and what stands before the number of the version switched to.
SWITCHED, TARGET = "champion_switched", "version "


class UnableToPromoteError(FaceProjectError):
    """A version that cannot become champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Writes predictions of versions and moves the champion pointer."""

    store: Store
    media_root: Path
    cache_root: Path
    clock: Callable[[], datetime]
    split_faces: int = 200_000  #: from so many faces on, trainer-workers score a version together

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

    def publish(
        self,
        version: ModelVersion,
        matrix: EmbeddingMatrix,
        lease: Lease,
        *,
        replaced: int,
        actor: str,
        asked: bool = True,
    ) -> ModelVersion:
        """Write the version's ranked pages over every face known now; nobody sees them before the switch.

        A version that a killed trainer left half published is finished from the same inputs. asked: by a person, so
        score again what ended its workers too often. Raises LeaseLostError, OutdatedError, RescoreFailedError.
        """
        inputs = self._interrupted_inputs(version, matrix)
        go_on = inputs is not None
        anew = not go_on and (version.status is not VersionStatus.PUBLISHING or SETTLED in version.metrics)
        if inputs is None:
            inputs = self._new_inputs(version, matrix)
        recorded = dataclasses.replace(
            version,
            scored_through=inputs.through_seq,
            said_through=inputs.said_through,
            replaced=replaced,
            metrics={**version.metrics, SETTLED: inputs.settled},
        )
        lease.require()
        self.store.update_model_version(recorded, expected=version.status)
        if go_on and self.store.fresh_through(version.version) >= inputs.through_seq:
            n_scored = sum(self.store.ranked_counts(version.version).values())
            self.rescoring().finish(inputs)
        else:
            n_scored = self._write_pages(inputs, matrix, lease, anew=anew, actor=actor, asked=asked)
        published = dataclasses.replace(recorded, n_scored=n_scored)
        lease.require()
        self.store.update_model_version(published, expected=version.status)
        return published

    def _new_inputs(self, version: ModelVersion, matrix: EmbeddingMatrix) -> Inputs:
        said_through = self.store.head(LABELS)
        settled = Settled.of(self.store.all_labels(), said_through=said_through)
        return Inputs(
            version=version.version,
            artefact=version.artefact,
            embedder=version.embedder,
            through_seq=matrix.through_seq,
            said_through=said_through,
            settled=self._settled().put(settled.to_bytes()),
        )

    def _interrupted_inputs(self, version: ModelVersion, matrix: EmbeddingMatrix) -> Inputs | None:
        """Those a killed trainer began with; None: nobody began."""
        settled = version.metrics.get(SETTLED)
        if version.status is not VersionStatus.PUBLISHING or settled is None:
            return None
        if not self._settled().exists(settled) or version.scored_through > matrix.through_seq:
            return None
        return Inputs(
            version=version.version,
            artefact=version.artefact,
            embedder=version.embedder,
            through_seq=version.scored_through,
            said_through=version.said_through,
            settled=settled,
        )

    def _write_pages(
        self, inputs: Inputs, matrix: EmbeddingMatrix, lease: Lease, *, anew: bool, actor: str, asked: bool
    ) -> int:
        """Returns how many faces the version names."""
        recogniser = recogniser_from(inputs.version, inputs.embedder, inputs.artefact, self.media_root)
        rescoring = self.rescoring()
        rows = matrix.through(inputs.through_seq)
        split = len(rows) >= self.split_faces
        rescoring.give_up_others(inputs if split else None, lease)
        scores: Scores
        if split:
            scores = rescoring.score(
                inputs,
                matrix,
                rows,
                lease,
                share_faces=self.split_faces // 2,
                actor=actor,
                asked=asked,
                on_progress=self.on_progress,
            ).cut(len(recogniser.names))
        else:
            settled = Settled.from_bytes(self._settled().read(inputs.settled))
            scores = score_matrix(recogniser, matrix, rows=rows, settled=settled)
        write_pages(self.store, inputs, recogniser.names, scores, lease, anew=anew)
        if split:
            lease.require()
            rescoring.finish(inputs)
        return len(scores.predicted)

    def rescoring(self) -> Rescoring:
        """Scoring in shares, as this installation does it."""
        return Rescoring(store=self.store, media_root=self.media_root, open_matrix=self.open_matrix, clock=self.clock)

    def on_progress(self, done: int, total: int) -> None:
        """Called while a version is scored in shares: faces scored, of all."""

    def _settled(self) -> MediaFolder:
        return MediaFolder(self.media_root, "settled")

    def mark_ready(self, version: ModelVersion, *, replaced: int) -> None:
        """After the switch, never before: a kill in between leaves a version that the next attempt finishes.

        Of the champion only, so it is right whatever another trainer made of the status meanwhile.
        """
        metrics = {name: value for name, value in version.metrics.items() if name != SETTLED}
        ready = dataclasses.replace(version, status=VersionStatus.READY, replaced=replaced, metrics=metrics)
        self.store.update_model_version(ready)
        if SETTLED in version.metrics:
            self._settled().drop(version.metrics[SETTLED])

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
        action = SWITCHED if switched else "champion_switch_lost"
        self.store.add_audit(
            AuditEntry(at=self.clock(), actor=actor, action=action, target=f"{TARGET}{version}", detail=detail)
        )
        return switched

    def score_new_faces(self) -> int:
        """Score faces ingested since the champion's last scoring, without a fit; returns how many.

        Raises LeaseBusyError while a version is being trained or published.
        """
        if not self._gap():
            return 0
        with held_lease(self.store, TRAINER_LEASE, clock=self.clock, wait_seconds=SCORING_WAIT_SECONDS) as lease:
            version = self._gap()
            if version is None:
                return 0
            matrix = self.open_matrix(version.embedder)
            recogniser = recogniser_of(version, self.media_root)
            return score_gap(self.store, recogniser, matrix, lease, said_through=version.said_through)

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
        require_artefact(version)
        if holds_erased(self.store, version, self.media_root):
            raise UnableToPromoteError(
                f"Version {number} learnt from pictures that were erased for good, so it cannot be used again. "
                "`manage.py train` makes a new one."
            )
        matrix = self.open_matrix(version.embedder)
        published = self.publish(version, matrix, lease, replaced=replaced, actor=actor)
        lease.require()
        switched = self.switch(number, champion=champion, actor=actor, why=why)
        if switched is None:
            raise TransientError("Somebody else switched the champion meanwhile; look again, and try again.")
        self.mark_ready(published, replaced=replaced)
        withdraw_artefacts(self.store, self.media_root, lease, clock=self.clock)
        return switched

    def withdraw(self) -> int:
        """Drop what versions learnt from pictures that were erased, where a kill kept a fit or a switch from doing so;
        returns of how many versions. Raises LeaseBusyError while a version is being trained or published.
        """
        with held_lease(self.store, TRAINER_LEASE, clock=self.clock, wait_seconds=SCORING_WAIT_SECONDS) as lease:
            return withdraw_artefacts(self.store, self.media_root, lease, clock=self.clock)

    def drop_old_pages(self, lease: Lease) -> int:
        """Forget predictions of versions older than a day (a rollback writes them again); returns how many versions.

        Stops where the champion has switched meanwhile: to go back to. Raises LeaseLostError: another process may be
        writing these very pages again.
        """
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
                if self.store.champion() != champion:
                    break
                lease.require()
                self.store.drop_ranked(number)
                dropped += 1
            if all_dropped:
                self.store.advance_cursor(DROPPED_CURSOR, number)
        return dropped
