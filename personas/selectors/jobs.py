"""Jobs as people see them: how far they are, how fast, how long they will take, what may be asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

from personas.entities import Job, JobStatus, JobWish, Share, ShareStatus, Slice
from personas.errors import AmbiguousError, NotFoundError
from personas.services.jobs import REMOVED_AFTER_DAYS, possible_actions
from personas.store.base import Store

#: Failed shares shown with their messages.
FAILED_SHOWN: Final = 50
#: A job named by the beginning of its id is looked for among this many, the newest.
LOOKED_THROUGH: Final = 500
TITLES: Final[Mapping[str, str]] = {
    "ingest": "Ingest of a folder",
    "upload": "Upload",
    "train": "Training",
    "rescore": "Naming all faces anew",
    "group": "Grouping unknown faces",
    "deploy": "Rolling out the version in use",
}
#: An ingest of a list of addresses is one of no folder.
WEB_TITLE: Final = "Pictures of the web"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job with what a page says of it."""

    job: Job
    title: str
    status: str  #: a word for people
    rate: float | None  #: things a second of late
    seconds_left: float | None
    actions: tuple[str, ...]

    @property
    def moving(self) -> bool:
        """Whether a page should look again soon."""
        return not self.job.status.ended

    @property
    def tag(self) -> str:
        """Changes whenever what a page shows of the job does."""
        job = self.job
        said = (job.status, job.wish, job.done, job.total, job.message, job.updated_at, self.actions)
        return tag_of((*said, self.removed_after_days))

    @property
    def n_rejected(self) -> int:
        """Files that were not taken."""
        return int(self.job.detail.get("n_rejected", len(self.job.detail.get("rejected", ()))))

    @property
    def removed_after_days(self) -> float | None:
        """Days after its end when parts and full lists of the job were removed; None: they were not."""
        return self.job.detail.get(REMOVED_AFTER_DAYS)

    def as_json(self) -> dict[str, Any]:
        job = self.job
        return {
            "job_id": job.job_id,
            "kind": job.kind,
            "status": job.status.value,
            "wish": job.wish.value,
            "actor": job.actor,
            "created_at": job.created_at.isoformat(),
            "updated_at": job.updated_at.isoformat(),
            "done": job.done,
            "total": job.total,
            "per_second": self.rate,
            "seconds_left": self.seconds_left,
            "message": job.message,
            "detail": dict(job.detail),
            "actions": list(self.actions),
        }


def view_of(job: Job) -> JobView:
    rate = job.detail.get("per_second") if job.status is JobStatus.RUNNING else None
    left = (job.total - job.done) / rate if rate and not job.detail.get("listing") else None
    return JobView(
        job=job,
        title=WEB_TITLE if "addresses" in job.detail else TITLES.get(job.kind, job.kind.capitalize()),
        status=_word(job),
        rate=rate,
        seconds_left=left,
        actions=possible_actions(job),
    )


def _word(job: Job) -> str:
    if job.wish is JobWish.PAUSE and job.status in (JobStatus.QUEUED, JobStatus.RUNNING):
        return "pausing"
    if job.wish is JobWish.NONE and job.status is JobStatus.PAUSED:
        return "resuming"
    return job.status.value


def list_jobs(store: Store, *, cursor: str | None = None, limit: int = 20) -> Slice[JobView]:
    """Newest first."""
    found = store.jobs(cursor=cursor, limit=limit)
    return Slice(items=tuple(map(view_of, found.items)), next_cursor=found.next_cursor)


def failed_shares(store: Store, job: Job) -> tuple[Share, ...]:
    """Those that failed, by number; FAILED_SHOWN at most."""
    failed = [share for share in store.shares(job.job_id) if share.status is ShareStatus.FAILED]
    return tuple(failed[:FAILED_SHOWN])


def find_job(store: Store, name: str) -> Job:
    """A job by its id, or by how its id begins. Raises NotFoundError, AmbiguousError."""
    job = store.job(name)
    if job is not None:
        return job
    found = [each for each in store.jobs(limit=LOOKED_THROUGH).items if name and each.job_id.startswith(name)]
    if len(found) > 1:
        ids = tuple(sorted(each.job_id for each in found))
        raise AmbiguousError(f"{len(found)} jobs begin with {name}: {', '.join(ids[:5])}. Give more of the id.", ids)
    if not found:
        raise NotFoundError(f"There is no job {name}; `manage.py jobs` and the jobs page list the latest.")
    return found[0]


def tag_of(said: Iterable[object]) -> str:
    """Changes whenever what is said does."""
    return f"{crc32(chr(10).join(map(str, said)).encode()):08x}"
