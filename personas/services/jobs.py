"""What a person may ask of a job: pause it, go on with it, try again what failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from personas.entities import AuditEntry, Job, JobStatus, JobWish
from personas.errors import FaceProjectError, NotFoundError
from personas.lease import LeaseBusyError, held_lease
from personas.shares import settling_lease, wait_again
from personas.store.base import Store

#: Kinds of jobs that can stop between two shares and go on.
PAUSABLE: Final = frozenset({"ingest"})
#: Kinds of jobs whose failed parts, or that as a whole, can be done again.
RETRIABLE: Final = frozenset({"ingest", "upload", "train", "group", "deploy"})
#: Where an upload counts how often it was begun, in its job's detail.
ATTEMPTS: Final = "attempts"
#: Where the detail of a job says after how many days its shares and files were removed. Written before anything is
#: removed: from then on the job cannot be retried.
REMOVED_AFTER_DAYS: Final = "details_removed_after_days"
#: What can be asked for.
PAUSE, RESUME, RETRY = "pause", "resume", "retry"


class UnableToSteerError(FaceProjectError):
    """A wish that this job cannot follow, or not now."""


def possible_actions(job: Job) -> tuple[str, ...]:
    """What may be asked of a job now."""
    if job.status is JobStatus.FAILED:
        return (RETRY,) if job.kind in RETRIABLE and REMOVED_AFTER_DAYS not in job.detail else ()
    if job.status.ended or job.kind not in PAUSABLE:
        return ()
    return (RESUME,) if job.wish is JobWish.PAUSE else (PAUSE,)


def pause_job(*, store: Store, job_id: str, actor: str, at: datetime) -> Job:
    """Have a job stop when the shares in hand are finished. Repeating it changes nothing.

    Raises NotFoundError, UnableToSteerError (it cannot be paused, it has ended).
    """
    job = _job(store, job_id)
    if job.kind not in PAUSABLE:
        raise UnableToSteerError(f"A job of kind {job.kind!r} cannot be paused: it is done in one piece.")
    if job.status.ended:
        raise UnableToSteerError(f"This job has ended ({job.status.value}); there is nothing left to pause.")
    return _wish(store, job, JobWish.PAUSE, PAUSE, actor, at)


def resume_job(*, store: Store, job_id: str, actor: str, at: datetime) -> Job:
    """Have a paused job go on. Repeating it changes nothing.

    Raises NotFoundError, UnableToSteerError (it has ended).
    """
    job = _job(store, job_id)
    if job.status.ended:
        raise UnableToSteerError(f"This job has ended ({job.status.value}); there is nothing to resume.")
    return _wish(store, job, JobWish.NONE, RESUME, actor, at)


def _wish(store: Store, job: Job, wish: JobWish, action: str, actor: str, at: datetime) -> Job:
    if job.wish is wish:
        return job
    store.set_wish(job.job_id, wish)
    _audit(store, job, action, actor, at)
    return replace(job, wish=wish)


def retry_failed(*, store: Store, job_id: str, actor: str, at: datetime) -> Job:
    """Have what failed of a job done once more, with all its attempts.

    Raises NotFoundError, UnableToSteerError (it has not failed, its kind cannot be done again, it is just ending).
    """
    try:
        with held_lease(store, settling_lease(job_id), clock=lambda: datetime.now(UTC)) as lease:
            job = _job(store, job_id)
            _require_failed(job)
            store.set_wish(job_id, JobWish.NONE)
            wait_again(store, store.shares(job_id), at=at)
            lease.require()
            again = _as_new(job, at)
            store.put_job(again)
    except LeaseBusyError as error:
        raise UnableToSteerError("This job is just being ended; try again in a moment.") from error
    _audit(store, job, RETRY, actor, at)
    return again


def _require_failed(job: Job) -> None:
    if job.kind not in RETRIABLE:
        raise UnableToSteerError(f"A job of kind {job.kind!r} cannot be retried; what began it begins it again.")
    if job.status is not JobStatus.FAILED:
        raise UnableToSteerError(f"This job has not failed (it is {job.status.value}); there is nothing to retry.")
    if REMOVED_AFTER_DAYS in job.detail:
        raise UnableToSteerError(
            "This job ended long ago, and what a retry needs was removed. Read its source again instead: what is known "
            "is skipped, and what was missed is taken in."
        )


def _as_new(job: Job, at: datetime) -> Job:
    detail = {name: value for name, value in job.detail.items() if name != ATTEMPTS}
    message = "Waiting for a worker, once more."
    return replace(job, status=JobStatus.QUEUED, updated_at=at, message=message, detail=detail, wish=JobWish.NONE)


def _job(store: Store, job_id: str) -> Job:
    job = store.job(job_id)
    if job is None:
        raise NotFoundError(f"There is no job {job_id}; `manage.py jobs` and the jobs page list all.")
    return job


def _audit(store: Store, job: Job, action: str, actor: str, at: datetime) -> None:
    entry = AuditEntry(at=at, actor=actor, action=f"job {action}", target=job.job_id, detail={"kind": job.kind})
    store.add_audit(entry)
