"""One training attempt from end to end: collect, fit, evaluate, gate, publish, switch."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from personas.entities import LABELS, Champion, Label, ModelVersion, VersionStatus
from personas.errors import NotFoundError
from personas.lease import Lease, LeaseLostError, held_lease
from personas.media import MediaFolder
from personas.metrics import FIT_SECONDS
from personas.selectors.learning import TRAINER_CURSOR
from personas.store.base import OutdatedError
from personas.version_metrics import put_details
from training.artefact import dump_classifier
from training.attempts import AttemptLog
from training.champion import artefacts
from training.classifier import PersonaClassifier
from training.collect import (
    collect_training_set,
    data_hash,
    label_hash,
    said_from_json,
    said_to_json,
    typical_faces,
)
from training.dataset import TrainingSet
from training.gate import judge
from training.matrix import EmbeddingMatrix
from training.promotion import TRAINER_LEASE, Publisher
from training.withdrawal import withdraw_artefacts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOutcome:
    """What one attempt came to, in a sentence a person may read."""

    sentence: str
    summary: str = ""  #: the same without names or ids, where the sentence has some
    version: int | None = None
    promoted: bool = False
    reasons: tuple[str, ...] = ()
    fit_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer(Publisher):
    """Follows the label events: at most one attempt at a time, all labels so far in each."""

    def train(self, *, actor: str, only_new_labels: bool = False, wait_seconds: float = 60.0) -> TrainingOutcome:
        """Fit on every label said so far, and make the result champion if it passes the gate.

        Nothing new, no fit: with `only_new_labels` (the automatic trigger) "new" means that people said something since
        the last attempt; otherwise faces ingested since count too. Raises LeaseBusyError when another trainer is at
        work for longer than `wait_seconds`, NotFoundError when nothing was ingested yet, and for the automatic trigger
        SetAsideError when these labels ended their trainer too often.
        """
        with held_lease(self.store, TRAINER_LEASE, clock=self.clock, wait_seconds=wait_seconds) as lease:
            self.store.repair()
            label_seq = self.store.head(LABELS)
            attempts = AttemptLog(self.store, self.clock)
            asked = attempts.begin(label_seq, actor=actor, by_hand=not only_new_labels)
            try:
                outcome = self._attempt(label_seq, lease, actor=actor, only_new_labels=only_new_labels, asked=asked)
            except NotFoundError as error:  # no faces yet: labels of personas without faces ask for nothing
                self.store.advance_cursor(TRAINER_CURSOR, label_seq)
                attempts.ended(str(error))
                raise
            except (LeaseLostError, OutdatedError):
                raise  # the job is the other trainer's now
            except BaseException as error:
                attempts.failed(error)
                raise
            lease.require()
            self.store.advance_cursor(TRAINER_CURSOR, label_seq)
            attempts.ended(outcome.summary or outcome.sentence)
            with suppress(LeaseLostError):  # what was learnt stands; another trainer does it
                self.drop_old_pages(lease)
                withdraw_artefacts(self.store, self.media_root, lease, clock=self.clock)
            return outcome

    def _attempt(
        self, label_seq: int, lease: Lease, *, actor: str, only_new_labels: bool, asked: bool
    ) -> TrainingOutcome:
        champion = self.store.champion()  # read once: judged against, and switched from
        newest = self.store.model_versions(limit=1).items
        last = self._unless_interrupted_after_switch(newest[0], champion) if newest else None
        interrupted = last if last and last.status is VersionStatus.PUBLISHING else None
        said = list(self.store.all_labels())
        matrix, left_out = self._matrix(said, champion)
        labels_sha256 = label_hash(said, matrix.embedder)
        if only_new_labels and last and not interrupted and last.metrics.get("labels_sha256") == labels_sha256:
            return _nothing_new(last)
        training_set = collect_training_set(said, matrix)
        sha256 = data_hash(labels_sha256, training_set.background_keys)
        if last and not interrupted and last.data_hash == sha256:
            return _nothing_new(last)
        if not len(training_set.y):
            return TrainingOutcome(sentence="Nothing to learn from yet: no face is labelled with a persona." + left_out)
        AttemptLog(self.store, self.clock).says(f"learning from {len(training_set.y)} labels")
        if interrupted and interrupted.data_hash == sha256:
            return self._finish(interrupted, champion, matrix, lease, actor=actor, asked=asked)
        if interrupted:
            self._abandon(interrupted, lease)
        draft = dataclasses.replace(
            _draft(self.clock(), matrix.embedder),
            label_seq=label_seq,
            data_hash=sha256,
            metrics={
                "labels_sha256": labels_sha256,
                "training_table": self._tables().put(said_to_json(said)),
            },
        )
        candidate = self._fit(draft, training_set, self._set_of(champion, matrix), lease)
        outcome = self._finish(candidate, champion, matrix, lease, actor=actor, asked=asked)
        return dataclasses.replace(outcome, sentence=outcome.sentence + left_out)

    def _unless_interrupted_after_switch(self, last: ModelVersion, champion: Champion | None) -> ModelVersion:
        """A version that was killed right after it became champion is ready; the pointer says so."""
        if last.status is VersionStatus.PUBLISHING and champion and champion.version == last.version:
            self.mark_ready(last, replaced=last.replaced)
            return dataclasses.replace(last, status=VersionStatus.READY)
        return last

    def _abandon(self, interrupted: ModelVersion, lease: Lease) -> None:
        lease.require()
        reasons = ("It was interrupted before it was published, and what it would learn from has changed since.",)
        given_up = dataclasses.replace(interrupted, status=VersionStatus.REFUSED, reasons=reasons)
        self.store.update_model_version(given_up, expected=VersionStatus.PUBLISHING)
        self.rescoring().give_up_others(None, lease)

    def _matrix(self, said: Sequence[Label], champion: Champion | None) -> tuple[EmbeddingMatrix, str]:
        """The embeddings to learn from, and a sentence about labelled faces that they lack.

        Vectors of two embedders cannot be compared. A new embedder is used once every labelled face has its vector;
        until then the champion's goes on, and labels of faces that only the new one saw wait.
        """
        newest = self.newest_embedder()
        version = self.store.model_version(champion.version) if champion else None
        matrix = self.open_matrix(newest)
        keys = {label.key for label in said}
        if version and version.embedder != newest and len(matrix.rows_of(keys)) < len(keys):
            matrix = self.open_matrix(version.embedder)
        missing = len(keys) - len(matrix.rows_of(keys))
        if not missing:
            return matrix, ""
        return matrix, (
            f" {missing} labelled faces wait: they have no vector of {matrix.embedder!r}. Ingest all pictures with one "
            "extractor to use them."
        )

    def _fit(
        self, draft: ModelVersion, training_set: TrainingSet, champions_set: TrainingSet | None, lease: Lease
    ) -> ModelVersion:
        """Fit, judge against the champion on the same held-out faces, and store artefact and version."""
        started = time.perf_counter()
        classifier = PersonaClassifier().fit(
            training_set.X,
            training_set.y,
            strangers=training_set.strangers,
            rejected=training_set.rejected,
            background=training_set.background,
        )
        judgement = judge(training_set, champion=champions_set)
        covers = {persona_id: str(key) for persona_id, key in typical_faces(training_set).items()}
        flagged = {"personas": list(judgement.personas), "faces": [str(key) for key in judgement.faces]}
        seconds = time.perf_counter() - started
        FIT_SECONDS.observe(seconds)
        content = dump_classifier(classifier, metadata={"embedder": draft.embedder, "data_hash": draft.data_hash})
        metrics = {**draft.metrics, **judgement.metrics, "flagged": flagged, "covers": covers}
        lease.require()
        return self.store.add_model_version(
            dataclasses.replace(
                draft,
                status=VersionStatus.PUBLISHING if judgement.promote else VersionStatus.REFUSED,
                artefact=artefacts(self.media_root).put(content),
                metrics=put_details(metrics, self.media_root),
                reasons=judgement.reasons,
                fit_seconds=round(seconds, 3),
                n_labels=len(training_set.y),
                n_personas=len(classifier.classes_),
            )
        )

    def _finish(
        self,
        candidate: ModelVersion,
        champion: Champion | None,
        matrix: EmbeddingMatrix,
        lease: Lease,
        *,
        actor: str,
        asked: bool,
    ) -> TrainingOutcome:
        """Publish and switch, unless the gate refused."""
        number = candidate.version
        if candidate.status is VersionStatus.REFUSED:
            kept = f"version {champion.version} stays" if champion else "there is no champion yet"
            summary = f"Version {number} was refused ({kept}); its page says why."
            sentence = f"Version {number} was refused ({kept}): {' '.join(candidate.reasons)}"
            return _outcome(candidate, sentence, promoted=False, summary=summary)
        replaced = champion.version if champion else 0
        published = self.publish(candidate, matrix, lease, replaced=replaced, actor=actor, asked=asked)
        lease.require()
        if self.switch(number, champion=champion, actor=actor, why="passed the gate") is None:
            now = self.store.champion()
            if now is None or now.version != number:  # else another trainer finished this very version
                reasons = ("It passed the gate, but another version was made champion meanwhile.",)
                beaten = dataclasses.replace(published, status=VersionStatus.REFUSED, reasons=reasons)
                self.store.update_model_version(beaten, expected=VersionStatus.PUBLISHING)
                return _outcome(beaten, f"Version {number}: {reasons[0]}", promoted=False)
        self.mark_ready(published, replaced=replaced)
        learnt = f"learnt from {candidate.n_labels} labels of {candidate.n_personas} personas"
        return _outcome(candidate, f"Version {number} is champion, {learnt}.", promoted=True)

    def on_progress(self, done: int, total: int) -> None:
        AttemptLog(self.store, self.clock).says("naming all faces", done=done, total=total)

    def _set_of(self, champion: Champion | None, matrix: EmbeddingMatrix) -> TrainingSet | None:
        """What the champion was trained on, rebuilt from the table kept with it; None: there is no champion."""
        version = self.store.model_version(champion.version) if champion else None
        if version is None:
            return None
        table = self._tables().read(str(version.metrics["training_table"]))
        return collect_training_set(said_from_json(table), matrix)

    def _tables(self) -> MediaFolder:
        return MediaFolder(self.media_root, "training_tables")


def _draft(now: datetime, embedder: str) -> ModelVersion:
    return ModelVersion(
        version=0,
        status=VersionStatus.PUBLISHING,
        created_at=now,
        label_seq=0,
        scored_through=0,
        embedder=embedder,
        data_hash="",
        artefact="",
        metrics={},
    )


def _nothing_new(last: ModelVersion) -> TrainingOutcome:
    sentence = f"Nothing new since version {last.version}; no fit."
    if last.status is VersionStatus.REFUSED:
        sentence += f" That version was refused: {' '.join(last.reasons)}"
    summary = f"Nothing new since version {last.version}; no fit."
    return TrainingOutcome(sentence=sentence, summary=summary, version=last.version, reasons=last.reasons)


def _outcome(version: ModelVersion, sentence: str, *, promoted: bool, summary: str = "") -> TrainingOutcome:
    return TrainingOutcome(
        sentence=sentence,
        summary=summary,
        version=version.version,
        promoted=promoted,
        reasons=version.reasons,
        fit_seconds=version.fit_seconds,
    )
