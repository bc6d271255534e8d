"""The trainer's job record: what it is doing, what came of it, and how often an attempt ended its process.

An attempt is written down before it begins. One that is found still running by a process that holds the trainer lease
has ended its process. After MAX_ATTEMPTS of them with the same labels, learning stops until there is something new:
more labels, or a person who asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from personas.entities import Job, JobStatus
from personas.errors import FaceProjectError
from personas.selectors.learning import TRAINER_JOB
from personas.shares import MAX_ATTEMPTS
from personas.store.base import Store


class SetAsideError(FaceProjectError):
    """Learning from these labels ended the trainer again and again."""


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """Written by the holder of the trainer lease only."""

    store: Store
    clock: Callable[[], datetime]

    def begin(self, label_seq: int, *, actor: str, by_hand: bool) -> bool:
        """Count an attempt on the labels up to `label_seq`. Raises SetAsideError, unless a person asked.

        A person asks by hand, or by having the failed job tried again; returns whether one did.
        """
        last = self.store.job(TRAINER_JOB)
        now = self.clock()
        asked = by_hand or (last is not None and last.status is JobStatus.QUEUED)
        ended = self._ended_processes(last, label_seq)
        if last is not None and ended >= MAX_ATTEMPTS and not asked:
            why = (
                f"Learning was begun {ended} times with the same labels and ended the trainer each time. It goes on "
                "with the next label; `manage.py jobs retry trainer` has it tried again, `manage.py train` shows what "
                "happens."
            )
            if last.status is JobStatus.RUNNING:
                self.store.put_job(replace(last, status=JobStatus.FAILED, updated_at=now, message=why))
            raise SetAsideError(why)
        job = Job(
            job_id=TRAINER_JOB,
            kind="train",
            status=JobStatus.RUNNING,
            created_at=now,
            updated_at=now,
            actor=actor,
            message="looking at new labels",
            detail={"label_seq": label_seq, "attempts": 1 if asked else ended + 1},
        )
        self.store.put_job(job)
        return asked

    @staticmethod
    def _ended_processes(last: Job | None, label_seq: int) -> int:
        """Attempts on the same labels that ended their process."""
        if last is None or last.detail.get("label_seq") != label_seq:
            return 0
        set_aside = last.status is JobStatus.FAILED and last.detail.get("attempts", 0) >= MAX_ATTEMPTS
        return int(last.detail.get("attempts", 0)) if last.status is JobStatus.RUNNING or set_aside else 0

    def says(self, message: str, *, done: int = 0, total: int = 0) -> None:
        """What is being done now."""
        self._put(status=JobStatus.RUNNING, message=message, done=done, total=total)

    def ended(self, message: str) -> None:
        """What came of it, in a sentence without names of personas."""
        self._put(status=JobStatus.DONE, message=message, done=0, total=0)

    def failed(self, error: BaseException) -> None:
        """An error ended the attempt, not the process: the next one does not count it."""
        message = str(error) if isinstance(error, FaceProjectError) else type(error).__name__
        job = self.store.job(TRAINER_JOB)
        if job is not None:
            detail = {**job.detail, "attempts": 0}
            self.store.put_job(
                replace(job, status=JobStatus.FAILED, updated_at=self.clock(), message=message, detail=detail)
            )

    def _put(self, *, status: JobStatus, message: str, done: int, total: int) -> None:
        job = self.store.job(TRAINER_JOB)
        if job is not None:
            self.store.put_job(
                replace(job, status=status, updated_at=self.clock(), message=message, done=done, total=total)
            )
