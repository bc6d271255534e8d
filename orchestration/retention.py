"""Details of jobs that ended long ago: shares in the store, lists of files on disk. They go, the jobs stay.

What is left of a job is its row: what it was, how it ended, its counts, the first of what it rejected. A failed job is
treated as a completed one: a retry would do less than reading its source again, which skips what is known.

A sweep goes through the jobs that were created since the mark of the last one and long enough ago, newest first, so
its cost follows what fell due, not what there ever was. The mark moves when a sweep is through; a sweep that a kill cut
short is done again, and finds nothing left where it was. The row says so before anything is removed, under the lease of
those who retry; a job's shares go last, and as long as there are some, something is to be done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ingest.job_files import drop_job_files
from orchestration.jobs import KINDS
from personas.entities import Job
from personas.errors import TransientError
from personas.lease import LeaseBusyError, held_lease
from personas.services.jobs import REMOVED_AFTER_DAYS
from personas.shares import settling_lease
from personas.store.base import Store
from personas.store.paging import every_page

logger = logging.getLogger(__name__)

#: Cursor: the details of all jobs that were created before it (microseconds since 1970) are removed.
TIDIED_CURSOR: Final = "tidied_jobs"
#: Jobs looked at, and files removed, in one step.
JOBS_AT_ONCE, FILES_AT_ONCE = 50, 200
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(slots=True)
class JobRetention:
    """Removes the details of one store's jobs a while after their end, step by step."""

    store: Store
    kept: timedelta
    drop_files: Callable[[str], bool] = lambda job_id: drop_job_files(job_id, most=FILES_AT_ONCE)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _sweep: Iterator[None] | None = None

    def step(self) -> bool:
        """Go on with a sweep, or begin one; returns whether it is to be gone on with. A step is soon over.

        Raises TransientError when files cannot be removed now; the next step begins a sweep.
        """
        sweep, self._sweep = self._sweep or self._swept(self.clock() - self.kept), None
        try:
            for _ in sweep:
                self._sweep = sweep
                return True
        except OSError as error:
            raise TransientError(f"Files of old jobs cannot be removed now ({error.strerror or error}).") from error
        return False

    def _swept(self, ended_before: datetime) -> Iterator[None]:
        """Yields after each step."""
        through = _EPOCH + self.store.cursor(TIDIED_CURSOR) * _MICROSECOND
        dealt_with = ended_before
        for page in every_page(
            lambda cursor: self.store.jobs(cursor=cursor, limit=JOBS_AT_ONCE, created_before=ended_before)
        ):
            new = [job for job in page if job.created_at >= through]
            for job in new:
                if job.kind in KINDS and not (yield from self._removed(job, ended_before)):
                    dealt_with = job.created_at  # the oldest of them at last, where the next sweep begins
            if len(new) < len(page):
                break
            yield
        self.store.advance_cursor(TIDIED_CURSOR, (dealt_with - _EPOCH) // _MICROSECOND)

    def _removed(self, job: Job, ended_before: datetime) -> Generator[None, None, bool]:
        """Remove a job's details, in steps; False when it is not time yet: it has not ended, or not long ago."""
        if not _is_old(job, ended_before):
            return False
        if self.store.share(job.job_id, 0) is None:
            return True
        if not self._say_removed(job.job_id, ended_before):
            return False
        while not self.drop_files(job.job_id):
            yield
        now = self.store.job(job.job_id)
        if now is None or not _is_old(now, ended_before):  # the same scoring was begun anew, and counts on its shares
            return False
        self.store.drop_shares(job.job_id)
        logger.info("details of an old job removed", extra={"job_id": job.job_id, "kind": job.kind})
        yield
        return True

    def _say_removed(self, job_id: str, ended_before: datetime) -> bool:
        """From then on nobody retries the job; False when somebody just does."""
        try:
            with held_lease(self.store, settling_lease(job_id), clock=self.clock) as lease:
                job = self.store.job(job_id)
                if job is None or not _is_old(job, ended_before):
                    return False
                if REMOVED_AFTER_DAYS not in job.detail:
                    lease.require()
                    days = round(self.kept / timedelta(days=1), 3)
                    self.store.put_job(replace(job, detail={**job.detail, REMOVED_AFTER_DAYS: days}))
        except LeaseBusyError:
            return False
        return True


def _is_old(job: Job, ended_before: datetime) -> bool:
    return job.status.ended and job.updated_at < ended_before
