"""How far learning has come: what the quiet line on each page says, and the tag that pages poll."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from personas.entities import INGEST, LABELS, Job, JobStatus
from personas.store.base import Store

#: Id of the job record in which the trainer says what it is doing.
TRAINER_JOB = "trainer"
#: Name of the cursor: every label event up to it was seen by a finished training attempt.
TRAINER_CURSOR = "trainer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningState:
    """What the trainer is doing, and how far it is behind."""

    version: int | None  #: the champion
    tag: str  #: changes whenever the line that says how far learning has come would
    predictions: str  #: changes whenever a page that shows predictions would: another champion, or more faces scored
    n_events_behind: int
    n_batches_unscored: int
    trainer: Job | None
    n_jobs: int  #: jobs that wait or run

    @property
    def busy(self) -> bool:
        working = self.trainer is not None and self.trainer.status is JobStatus.RUNNING
        return working or self.n_events_behind > 0 or self.n_batches_unscored > 0


def learning_state(store: Store) -> LearningState:
    champion = store.champion()
    labels, ingest = store.head(LABELS), store.head(INGEST)
    scored = store.fresh_through(champion.version) if champion else 0
    trainer = store.job(TRAINER_JOB)
    revision = champion.revision if champion else 0
    status = trainer.status.value if trainer else "idle"
    progress = f"{trainer.done}.{trainer.total}.{crc32(trainer.message.encode()):x}" if trainer else ""
    n_jobs = sum(job.status is not JobStatus.PAUSED for job in store.unfinished_jobs())
    behind = labels - store.cursor(TRAINER_CURSOR)
    return LearningState(
        version=champion.version if champion else None,
        tag=f"{revision}-{labels}-{ingest}-{scored}-{behind}-{status}-{progress}-{n_jobs}",
        predictions=f"{revision}-{scored}",
        n_events_behind=behind,
        n_batches_unscored=max(ingest - scored, 0) if champion else 0,
        trainer=trainer,
        n_jobs=n_jobs,
    )
