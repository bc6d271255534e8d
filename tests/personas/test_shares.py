"""Shares of a job: who does them, how often, and what is left by those who could not."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from personas.entities import Job, JobStatus, JobWish, Share, ShareStatus
from personas.errors import NotFoundError, TransientError
from personas.lease import Lease, LeaseBusyError, LeaseLostError
from personas.shares import MAX_ATTEMPTS, do_share, n_done, wait_again, waiting
from personas.store import get_store
from personas.store.base import Store
from tests import factories as make

pytestmark = pytest.mark.django_db


def clock() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def store() -> Store:
    store = get_store()
    job = Job(
        job_id="j", kind="ingest", status=JobStatus.QUEUED, created_at=make.at(0), updated_at=make.at(0), actor="zoe"
    )
    store.put_shares(
        [
            Share(job_id="j", number=n, status=ShareStatus.WAITING, updated_at=make.at(0), total=10, work={"n": n})
            for n in range(3)
        ]
    )
    store.put_job(job)
    return store


def ten(share: Share, lease: Lease) -> Mapping[str, Any]:
    return {"n": share.work["n"] * 10}


def raising(error: Exception) -> Callable[[Share, Lease], Mapping[str, Any]]:
    def do(share: Share, lease: Lease) -> Mapping[str, Any]:
        raise error

    return do


def test_a_share_is_done_once(store: Store) -> None:
    done = do_share(store, "j", 2, do=ten, clock=clock)
    assert done is not None
    assert (done.status, done.attempts, done.result) == (ShareStatus.DONE, 1, {"n": 20})
    assert store.share("j", 2) == done
    assert do_share(store, "j", 2, do=raising(AssertionError()), clock=clock) is None
    assert [share.number for share in waiting(store.shares("j"))] == [0, 1]
    assert n_done(store.shares("j")) == 10


def test_nothing_is_done_for_a_job_that_pauses_ended_or_is_not_there(store: Store) -> None:
    never = raising(AssertionError())
    store.set_wish("j", JobWish.PAUSE)
    assert do_share(store, "j", 0, do=never, clock=clock) is None
    store.set_wish("j", JobWish.NONE)
    job = store.job("j")
    assert job is not None
    store.put_job(replace(job, status=JobStatus.FAILED))
    assert do_share(store, "j", 0, do=never, clock=clock) is None
    assert do_share(store, "nothing", 0, do=never, clock=clock) is None


def test_what_may_pass_is_not_counted(store: Store) -> None:
    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(TransientError):
            do_share(store, "j", 0, do=raising(TransientError("away")), clock=clock)
    assert do_share(store, "j", 0, do=ten, clock=clock) is not None


def test_a_folder_that_is_away_is_not_the_fault_of_the_share(store: Store) -> None:
    away = OSError(errno.EHOSTDOWN, "Host is down")
    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(TransientError, match=r"cannot be used \(Host is down\)"):
            do_share(store, "j", 0, do=raising(away), clock=clock)
    left = store.share("j", 0)
    assert left is not None
    assert (left.status, left.attempts) == (ShareStatus.WAITING, 0)


def test_an_attempt_that_ended_with_the_store_is_uncounted_when_the_store_is_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.patience.PAUSES", (0.0, 0.0))
    really = store.put_shares
    away = 2

    def put_shares(shares: Sequence[Share]) -> None:
        nonlocal away
        if shares[0].attempts == 0 and away:
            away -= 1
            raise TransientError("away")
        really(shares)

    monkeypatch.setattr(store, "put_shares", put_shares)
    with pytest.raises(TransientError, match="throttled"):
        do_share(store, "j", 0, do=raising(TransientError("throttled")), clock=clock)
    left = store.share("j", 0)
    assert left is not None
    assert (left.attempts, away) == (0, 0)


def test_what_cannot_be_done_fails_alone_and_may_be_asked_for_again(store: Store) -> None:
    failed = do_share(store, "j", 0, do=raising(NotFoundError("The folder is gone.")), clock=clock)
    assert failed is not None
    assert (failed.status, failed.message) == (ShareStatus.FAILED, "The folder is gone.")
    assert [share.number for share in waiting(store.shares("j"))] == [1, 2]
    assert wait_again(store, store.shares("j"), at=make.at(9)) == 1
    assert do_share(store, "j", 0, do=ten, clock=clock) is not None


def test_a_share_that_ends_its_worker_is_set_aside(store: Store) -> None:
    class KilledError(BaseException):
        pass

    def killed(share: Share, lease: Lease) -> Mapping[str, Any]:
        raise KilledError

    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(KilledError):
            do_share(store, "j", 1, do=killed, clock=clock)
    aside = do_share(store, "j", 1, do=ten, clock=clock)
    assert aside is not None
    assert aside.status is ShareStatus.FAILED
    assert "ends the worker" in aside.message or "end the worker" in aside.message


def test_two_workers_do_not_do_one_share(store: Store) -> None:
    def meanwhile(share: Share, lease: Lease) -> Mapping[str, Any]:
        with pytest.raises(LeaseBusyError):
            do_share(store, "j", 0, do=raising(AssertionError()), clock=clock)
        return {}

    assert do_share(store, "j", 0, do=meanwhile, clock=clock) is not None


def test_a_worker_that_lost_its_lease_writes_nothing(store: Store) -> None:
    def slow(share: Share, lease: Lease) -> Mapping[str, Any]:
        later = datetime.now(UTC) + timedelta(hours=1)
        assert store.acquire_lease(lease.name, owner="another", seconds=9, now=later)
        lease.lost.set()  # as the renewing thread would
        return {"n": "stale"}

    with pytest.raises(LeaseLostError):
        do_share(store, "j", 0, do=slow, clock=clock)
    left = store.share("j", 0)
    assert left is not None
    assert left.status is ShareStatus.WAITING
