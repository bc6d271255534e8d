"""Contract: jobs, cursors, leases and the audit log; and using a store again after closing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from personas.entities import AuditEntry, Job, JobStatus, JobWish, Share, ShareStatus
from personas.errors import NotFoundError
from personas.lease import is_held
from personas.store.base import Store
from tests import factories as make
from tests.contracts.paging import everything


def job(number: int, seconds: float | None = None) -> Job:
    when = make.at(number if seconds is None else seconds)
    return Job(
        job_id=f"job-{number}",
        kind="ingest",
        status=JobStatus.QUEUED,
        created_at=when,
        updated_at=when,
        actor="zoe",
        total=10,
        detail={"source": "/photos", "n": [1, None]},
    )


def audit(number: int, seconds: float) -> AuditEntry:
    return AuditEntry(at=make.at(seconds), actor="zoe", action="label", target=f"face {number}", detail={"n": number})


def test_a_job_reads_back_as_it_was_last_put(store: Store) -> None:
    assert store.job("job-1") is None
    store.put_job(job(1))
    changed = replace(job(1), status=JobStatus.RUNNING, done=4, message="4 of 10", updated_at=make.at(60), detail={})
    store.put_job(changed)
    assert store.job("job-1") == changed
    assert store.jobs().items == (changed,)


def test_a_wish_is_a_persons_and_what_a_worker_puts_is_the_workers(store: Store) -> None:
    store.put_job(job(1))
    store.set_wish("job-1", JobWish.PAUSE)
    moved = replace(job(1), status=JobStatus.RUNNING, done=4)
    store.put_job(moved)  # by a worker that read the job before the wish
    assert store.job("job-1") == replace(moved, wish=JobWish.PAUSE)
    store.set_wish("job-1", JobWish.NONE)
    assert store.job("job-1") == moved
    assert store.jobs().items == (moved,)


def test_unfinished_jobs_are_those_that_have_not_ended_oldest_first(store: Store) -> None:
    assert store.unfinished_jobs() == ()
    for number, status in enumerate(JobStatus):
        store.put_job(replace(job(number, seconds=100 - number), status=status))
    found = store.unfinished_jobs()
    assert [one.status for one in found] == [JobStatus.PAUSED, JobStatus.RUNNING, JobStatus.QUEUED]
    for one in found:
        store.put_job(replace(one, status=JobStatus.DONE))
    assert store.unfinished_jobs() == ()
    store.put_job(found[0])  # begun again
    assert store.unfinished_jobs() == (found[0],)


def test_shares_read_back_by_number_as_they_were_last_put(store: Store) -> None:
    assert store.shares("job-1") == ()
    assert store.share("job-1", 0) is None
    first = [
        Share(
            job_id="job-1",
            number=number,
            status=ShareStatus.WAITING,
            updated_at=make.at(0),
            total=100,
            work={"files": ["a.jpg", number]},
        )
        for number in (2, 0, 1)
    ]
    store.put_shares(first)
    store.put_shares([replace(first[0], job_id="job-2")])
    done = replace(
        first[2], status=ShareStatus.DONE, updated_at=make.at(9), attempts=2, message="done", result={"faces": 3}
    )
    store.put_shares([done])
    assert store.shares("job-1") == (first[1], done, first[0])
    assert store.share("job-1", 1) == done
    store.put_shares([])
    assert [share.number for share in store.shares("job-2")] == [2]


def test_shares_of_one_job_go_at_once_and_the_job_stays(store: Store) -> None:
    def share(job_id: str, number: int) -> Share:
        return Share(job_id=job_id, number=number, status=ShareStatus.DONE, updated_at=make.at(0))

    store.put_job(job(1))
    store.put_shares([share("job-1", number) for number in range(3)])
    store.put_shares([share("job-10", 0)])
    for _ in range(2):
        store.drop_shares("job-1")
        assert store.shares("job-1") == ()
        assert store.share("job-1", 0) is None
    assert store.shares("job-10") == (share("job-10", 0),)
    assert store.job("job-1") == job(1)
    store.put_shares([share("job-1", 1)])
    assert store.shares("job-1") == (share("job-1", 1),)


def test_jobs_created_before_a_moment_are_listed_without_newer_ones(store: Store) -> None:
    days = [0, 86_400, 86_400, 200_000, 300_000]
    for number, seconds in enumerate(days):
        store.put_job(job(number, seconds=seconds))

    def listed(seconds: float) -> list[str]:
        before = make.at(seconds)
        return [
            each.job_id for each in everything(lambda cursor: store.jobs(cursor=cursor, created_before=before, limit=2))
        ]

    assert listed(300_001) == ["job-4", "job-3", "job-2", "job-1", "job-0"]
    assert listed(300_000) == ["job-3", "job-2", "job-1", "job-0"]
    assert listed(86_400.000001) == ["job-2", "job-1", "job-0"]
    assert listed(86_400) == ["job-0"]
    assert listed(0) == []
    newest = store.jobs(limit=1)
    older = store.jobs(cursor=newest.next_cursor, created_before=make.at(86_400))
    assert [each.job_id for each in older.items] == ["job-0"]


def test_jobs_page_newest_first_even_when_made_at_once(store: Store) -> None:
    for number in range(5):
        store.put_job(job(number))
    for number in range(5, 9):
        store.put_job(job(number, seconds=100))
    found = [one.job_id for one in everything(lambda cursor: store.jobs(cursor=cursor, limit=2))]
    assert sorted(found[:4]) == ["job-5", "job-6", "job-7", "job-8"]
    assert found[4:] == ["job-4", "job-3", "job-2", "job-1", "job-0"]


def test_a_job_put_again_with_a_later_created_at_is_listed_once_at_its_new_place(store: Store) -> None:
    for number in range(3):
        store.put_job(job(number))
    for seconds in (10, 200_000, 200_001):  # 200,000: another day
        store.put_job(replace(job(0), created_at=make.at(seconds)))
        listed = everything(lambda cursor: store.jobs(cursor=cursor, limit=2))
        assert [one.job_id for one in listed] == ["job-0", "job-2", "job-1"]
        assert listed == list(store.jobs().items)
        assert listed[0].created_at == make.at(seconds)


def test_a_cursor_moves_forward_only(store: Store) -> None:
    assert store.cursor("trainer") == 0
    store.advance_cursor("trainer", 5)
    store.advance_cursor("trainer", 3)
    assert store.cursor("trainer") == 5
    store.advance_cursor("trainer", 9)
    assert (store.cursor("trainer"), store.cursor("other")) == (9, 0)


def test_a_lease_has_one_owner_until_it_runs_out(store: Store) -> None:
    def take(owner: str, when: float) -> bool:
        return store.acquire_lease("trainer", owner=owner, seconds=10, now=make.at(when))

    assert take("one", 0)
    assert not take("two", 5)
    assert take("one", 8)  # renewed until 18
    assert not take("two", 12)
    assert take("two", 18)
    assert not take("one", 19)


def test_a_lease_is_renewed_only_while_nobody_else_had_it(store: Store) -> None:
    def renew(owner: str, when: float) -> bool:
        return store.renew_lease("trainer", owner=owner, seconds=10, now=make.at(when))

    assert not renew("one", 0)  # never had it
    assert store.acquire_lease("trainer", owner="one", seconds=10, now=make.at(0))
    assert renew("one", 5)
    assert renew("one", 60)  # ran out, but nobody took it
    assert not store.acquire_lease("trainer", owner="two", seconds=10, now=make.at(65))
    assert store.acquire_lease("trainer", owner="two", seconds=10, now=make.at(80))
    assert not renew("one", 81)
    store.release_lease("trainer", owner="two")
    assert not renew("one", 82)  # taken and let go meanwhile


def test_a_lease_is_released_by_its_owner_only(store: Store) -> None:
    assert store.acquire_lease("trainer", owner="one", seconds=10, now=make.NOW)
    store.release_lease("trainer", owner="two")
    assert not store.acquire_lease("trainer", owner="two", seconds=10, now=make.NOW)
    store.release_lease("trainer", owner="one")
    assert store.acquire_lease("trainer", owner="two", seconds=10, now=make.NOW)
    assert store.acquire_lease("sweep", owner="one", seconds=10, now=make.NOW)
    store.release_lease("never taken", owner="one")


def test_when_a_lease_runs_out_can_be_read_without_taking_it(store: Store) -> None:
    assert store.lease_until("trainer") is None
    assert store.acquire_lease("trainer", owner="one", seconds=10, now=make.at(0))
    assert store.lease_until("trainer") == make.at(10)
    assert store.renew_lease("trainer", owner="one", seconds=10, now=make.at(5))
    assert store.lease_until("trainer") == make.at(15)  # whatever the time is: it says when, not whether
    assert store.lease_until("sweep") is None
    assert store.acquire_lease("trainer", owner="two", seconds=10, now=make.at(15))
    assert store.lease_until("trainer") == make.at(25)
    store.release_lease("trainer", owner="two")
    assert store.lease_until("trainer") is None


def test_looking_whether_a_lease_is_held_leaves_it_to_its_holder(store: Store) -> None:
    assert not is_held(store, "share", now=make.at(0))
    assert store.acquire_lease("share", owner="worker", seconds=10, now=make.at(0))
    assert is_held(store, "share", now=make.at(9))
    assert not is_held(store, "share", now=make.at(10))  # the worker was stopped for a while
    assert store.renew_lease("share", owner="worker", seconds=10, now=make.at(11))
    assert is_held(store, "share", now=make.at(12))


@pytest.mark.parametrize("held_before", [False, True])
def test_one_of_many_gets_the_lease(
    shared_store: Store, together: Callable[..., list[object]], held_before: bool
) -> None:
    if held_before:
        shared_store.acquire_lease("trainer", owner="old", seconds=1, now=make.at(-10))

    def take(owner: str) -> Callable[[], object]:
        return lambda: shared_store.acquire_lease("trainer", owner=owner, seconds=10, now=make.NOW)

    assert sorted(map(bool, together([take(f"owner {n}") for n in range(4)]))) == [False, False, False, True]


def test_audits_page_newest_first(store: Store) -> None:
    for number in range(7):
        store.add_audit(audit(number, seconds=number // 3))
    found = everything(lambda cursor: store.audits(cursor=cursor, limit=2))
    assert [entry.at for entry in found] == sorted((entry.at for entry in found), reverse=True)
    assert sorted(entry.detail["n"] for entry in found) == list(range(7))
    assert found[0] == audit(6, seconds=2)


def test_cursors_of_lists_by_time_are_checked(store: Store) -> None:
    for read in (store.jobs, store.audits):
        with pytest.raises(NotFoundError):
            read(cursor="rubbish")


def test_a_closed_store_can_be_used_again(shared_store: Store) -> None:
    shared_store.put_job(job(1))
    shared_store.close()
    assert shared_store.job("job-1") is not None
