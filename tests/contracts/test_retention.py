"""Details of jobs that ended long ago go, on every store: in steps, killed anywhere, and never those still needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.job_files import drop_job_files, job_folder, manifests_of, reports_of
from orchestration import retention
from orchestration.retention import JobRetention
from personas.entities import Job, JobStatus, Share, ShareStatus, Slice
from personas.errors import TransientError
from personas.services.jobs import REMOVED_AFTER_DAYS, UnableToSteerError, retry_failed
from personas.shares import settling_lease
from personas.store.base import Store
from tests import factories as make

DAY, KEPT = timedelta(days=1), timedelta(days=90)
#: The same in all jobs: no job may take another one's files along.
MANIFEST = b"a list of pictures"


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


def put(
    store: Store, job_id: str = "j", *, began: float = 0.0, ended: float | None = None, shares: int = 3, **changes: Any
) -> Job:
    """A job of a few parts, with its files. began, ended: days after `make.NOW`."""
    values: dict[str, Any] = {"kind": "ingest", "status": JobStatus.DONE, "actor": "zoe", **changes}
    detail = {"folder": "/p", "rejected": [{"path": "a.jpg", "reason": "truncated", "message": "It ends early."}]}
    job = Job(
        job_id=job_id,
        created_at=make.NOW + began * DAY,
        updated_at=make.NOW + (began if ended is None else ended) * DAY,
        message="3 pictures taken in.",
        detail=detail,
        **values,
    )
    failed = ShareStatus.FAILED if job.status is JobStatus.FAILED else ShareStatus.DONE
    works: list[dict[str, Any]] = [
        {},
        *({"manifest": manifests_of(job_id).put(MANIFEST + bytes(number))} for number in range(1, shares)),
    ]
    store.put_shares(
        [
            Share(
                job_id=job_id,
                number=number,
                status=failed if number == 1 else ShareStatus.DONE,
                updated_at=job.updated_at,
                work=work,
                result={"n_rejected": 1, "report": reports_of(job_id).put(b"what was rejected")},
            )
            for number, work in enumerate(works)
        ]
    )
    store.put_job(job)
    return job


def the(store: Store, job_id: str = "j") -> Job:
    job = store.job(job_id)
    assert job is not None
    return job


def n_files(job_id: str = "j") -> int:
    return sum(path.is_file() for path in job_folder(job_id).rglob("*"))


def is_whole(store: Store, job: Job) -> bool:
    return store.job(job.job_id) == job and len(store.shares(job.job_id)) == 3 and n_files(job.job_id) == 3


def is_tidied(store: Store, job: Job) -> bool:
    """Nothing but the row is left, and that is as it was, but for one word."""
    left = store.shares(job.job_id) or job_folder(job.job_id).exists()
    return not left and the(store, job.job_id) == replace(job, detail={**job.detail, REMOVED_AFTER_DAYS: 90})


def sweep(store: Store, *, day: float, **options: Any) -> int:
    """A whole sweep on that day; returns how many steps it took."""
    tidying = JobRetention(store, KEPT, clock=lambda: make.NOW + day * DAY, **options)
    steps = 1
    while tidying.step():
        steps += 1
    return steps


# ---- what goes, what stays -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [JobStatus.DONE, JobStatus.FAILED])
def test_what_ended_long_ago_keeps_its_row_alone(store: Store, status: JobStatus) -> None:
    old, recent = put(store, status=status), put(store, "recent", began=5)
    sweep(store, day=89)
    assert is_whole(store, old)
    sweep(store, day=91)
    assert is_tidied(store, old)
    assert is_whole(store, recent)
    assert [job.job_id for job in store.jobs().items] == ["recent", "j"]
    sweep(store, day=92)
    assert is_tidied(store, old)


def test_the_term_is_counted_from_the_end_and_no_sweep_before_it_loses_the_job(store: Store) -> None:
    slow, young = put(store, ended=60), put(store, "young", began=59)
    for day in (100, 149):
        sweep(store, day=day)
        assert is_whole(store, slow), day
    sweep(store, day=151)
    assert is_tidied(store, slow)
    assert is_tidied(store, young)


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED])
def test_an_unfinished_job_is_left_alone_however_old_and_found_when_it_has_ended(
    store: Store, status: JobStatus
) -> None:
    waiting, between = put(store, status=status), put(store, "between", began=10)
    for day in (200, 400):
        sweep(store, day=day)
        assert is_whole(store, waiting)
        assert is_tidied(store, between)
    ended = replace(waiting, status=JobStatus.DONE, updated_at=make.NOW + 500 * DAY)
    store.put_job(ended)
    sweep(store, day=501)
    assert is_whole(store, ended)
    sweep(store, day=591)
    assert is_tidied(store, ended)


def test_a_failed_job_can_be_retried_until_its_details_go_and_then_says_what_to_do(store: Store) -> None:
    put(store, status=JobStatus.FAILED)
    sweep(store, day=89)
    again = retry_failed(store=store, job_id="j", actor="zoe", at=make.NOW + 89 * DAY)
    sweep(store, day=91)
    assert (the(store), len(store.shares("j"))) == (again, 3)
    ended = replace(again, status=JobStatus.FAILED)
    store.put_job(ended)
    sweep(store, day=180)
    with pytest.raises(UnableToSteerError, match="Read its source again"):
        retry_failed(store=store, job_id="j", actor="zoe", at=make.NOW + 181 * DAY)
    assert is_tidied(store, ended)


def test_a_job_that_somebody_just_retries_is_left_for_another_sweep(store: Store) -> None:
    job = put(store, status=JobStatus.FAILED)
    lease = settling_lease("j")
    assert store.acquire_lease(lease, owner="who retries", seconds=60, now=make.NOW + 100 * DAY)
    sweep(store, day=100)
    assert is_whole(store, job)
    store.release_lease(lease, owner="who retries")
    sweep(store, day=100.1)
    assert is_tidied(store, job)


def test_a_scoring_that_was_begun_anew_meanwhile_keeps_its_shares(store: Store) -> None:
    put(store, kind="rescore")

    def begun_anew(job_id: str) -> bool:
        put(store, kind="rescore", began=100, status=JobStatus.RUNNING)
        return True

    sweep(store, day=100, drop_files=begun_anew)
    assert len(store.shares("j")) == 3
    assert the(store).status is JobStatus.RUNNING


def test_jobs_without_shares_are_left_as_they_are(store: Store) -> None:
    trained, bare = put(store, "trainer", kind="train"), put(store, "bare")
    store.drop_shares("bare")
    sweep(store, day=100)
    assert is_whole(store, trained)
    assert the(store, "bare") == bare


# ---- steps -----------------------------------------------------------------------------------------------------------
def test_a_step_removes_a_few_files_and_reads_a_few_jobs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FILES_AT_ONCE", 4)
    monkeypatch.setattr(retention, "JOBS_AT_ONCE", 2)
    job = put(store, shares=12)  # eleven manifests and a report
    for number in range(4):
        put(store, f"trainer {number}", kind="train", began=number / 10)
    tidying = JobRetention(store, KEPT, clock=lambda: make.NOW + 100 * DAY)
    files = [n_files()]
    while tidying.step():
        files.append(n_files())
    assert files[0] == 12
    assert max(before - after for before, after in itertools.pairwise(files)) == 4
    assert (n_files(), store.shares("j")) == (0, ())
    assert len(files) > 5
    assert the(store).detail == {**job.detail, REMOVED_AFTER_DAYS: 90}


@dataclass
class CountingStore:
    """The store, with how many jobs and shares were read of it."""

    store: Store
    jobs_read: int = 0
    shares_read: int = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def jobs(self, **options: Any) -> Slice[Job]:
        page = self.store.jobs(**options)
        self.jobs_read += len(page.items)
        return page

    def share(self, job_id: str, number: int) -> Share | None:
        self.shares_read += 1
        return self.store.share(job_id, number)


def test_a_sweep_reads_what_fell_due_and_not_what_there_ever_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "JOBS_AT_ONCE", 2)
    for number in range(8):
        put(store, f"old {number}", began=number / 10)
    due = put(store, "due", began=9)
    for number in range(8):
        put(store, f"recent {number}", began=50 + number)
    sweep(store, day=95)
    counting: Any = CountingStore(store)
    sweep(counting, day=100)
    assert is_tidied(store, due)
    assert (counting.jobs_read, counting.shares_read) == (2, 1)  # a page of two, of which one was dealt with
    sweep(counting, day=101)
    assert (counting.jobs_read, counting.shares_read) == (4, 1)


def test_files_that_cannot_be_removed_now_are_removed_by_a_later_sweep(store: Store) -> None:
    job = put(store)

    def away(job_id: str) -> bool:
        raise OSError(5, "the share is away")

    with pytest.raises(TransientError, match="the share is away"):
        sweep(store, day=100, drop_files=away)
    assert len(store.shares("j")) == 3
    sweep(store, day=100)
    assert is_tidied(store, job)


# ---- kills -----------------------------------------------------------------------------------------------------------
class Killed(BaseException):
    """The process ends here."""


@dataclass
class Dying:
    """The store, and the removal of files, until the n-th of what they write."""

    store: Store
    left: int
    made: bool
    writes: frozenset[str] = field(default=frozenset({"put_job", "drop_shares", "advance_cursor"}))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        return self.dying(method) if name in self.writes else method

    def drop_files(self, job_id: str) -> bool:
        return bool(self.dying(lambda: drop_job_files(job_id, most=1))())

    def dying(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.made:
                raise Killed
            result = method(*args, **options)
            if self.left == 0:
                raise Killed
            return result

        return write


@pytest.mark.parametrize("made", [False, True], ids=["before", "after"])
def test_killed_anywhere_a_job_is_whole_or_says_so_and_the_next_sweep_ends_it(store: Store, made: bool) -> None:
    for dies_at in itertools.count(1):
        name = f"j{dies_at}"
        job = put(store, name, began=dies_at * 200, status=JobStatus.FAILED)
        day = dies_at * 200 + 100
        dying: Any = Dying(store, dies_at, made)
        try:
            sweep(dying, day=day, drop_files=dying.drop_files)
        except Killed:
            assert is_whole(store, job) or REMOVED_AFTER_DAYS in the(store, name).detail
            sweep(store, day=day)
            assert is_tidied(store, job), dies_at
            continue
        break
    assert dies_at == 7  # six writes: the row, three of files, the shares, the cursor


def test_the_moment_of_the_mark_is_kept_exactly(store: Store) -> None:
    """Times go through a whole number: a microsecond that got lost would have a sweep pass over a job."""
    moments: list[datetime] = [make.NOW + timedelta(microseconds=number) for number in range(5)]
    for number, moment in enumerate(moments):
        waiting = put(store, f"j{number}", status=JobStatus.RUNNING)
        store.put_job(replace(waiting, created_at=moment))
    sweep(store, day=100)
    for number, moment in enumerate(moments):
        store.put_job(replace(the(store, f"j{number}"), status=JobStatus.DONE, updated_at=moment))
    sweep(store, day=101)
    assert [store.shares(f"j{number}") for number in range(5)] == [()] * 5
