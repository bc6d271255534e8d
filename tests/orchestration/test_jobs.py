"""Jobs in shares: what the dispatcher offers, when again, how it pauses and settles."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.dispatcher import JOBS_SECONDS, Dispatcher
from orchestration.jobs import (
    FEWEST_OFFERED,
    LONGEST_RESEND_SECONDS,
    MOST_OFFERED,
    RESEND_SECONDS,
    ShareSweep,
)
from personas.entities import LABELS, Job, JobStatus, JobWish, Share, ShareStatus
from personas.errors import TransientError
from personas.lease import LEASE_SECONDS
from personas.selectors.learning import TRAINER_CURSOR, TRAINER_JOB
from personas.services.jobs import pause_job, resume_job, retry_failed
from personas.shares import lease_of, settling_lease
from personas.store import get_store
from personas.store.base import Store
from tests import factories as make

pytestmark = pytest.mark.django_db

TASK = "ingest.do_share"


@dataclass
class Clock:
    """Both clocks: they go together."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


@pytest.fixture
def store() -> Store:
    return get_store()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sent() -> list[tuple[str, tuple[Any, ...]]]:
    return []


@pytest.fixture
def look(store: Store, clock: Clock, sent: list[Any]) -> Callable[..., None]:
    """`look(seconds)`: time goes on, then the dispatcher looks at all jobs."""
    sweep = ShareSweep(store, lambda task, arguments: sent.append((task, arguments)), clock.monotonic, clock.now)

    def again(seconds: float = 0.0) -> None:
        clock.seconds += seconds
        sweep.look(store.unfinished_jobs())

    return again


def put_job(store: Store, job_id: str = "j", *, shares: int = 3, **changes: Any) -> Job:
    """A job whose listing is done and whose shares of ten pictures wait."""
    values: dict[str, Any] = {"kind": "ingest", "status": JobStatus.QUEUED, "actor": "zoe", **changes}
    job = Job(job_id=job_id, created_at=make.at(0), updated_at=make.at(0), detail={"folder": "/p"}, **values)
    every = [
        Share(job_id=job_id, number=n, status=ShareStatus.WAITING, updated_at=make.at(0), total=10 if n else 0)
        for n in range(shares + 1)
    ]
    store.put_shares([replace(every[0], status=ShareStatus.DONE), *every[1:]])
    store.put_job(job)
    return job


def put_share(store: Store, number: int, job_id: str = "j", **changes: Any) -> None:
    share = store.share(job_id, number)
    assert share is not None
    store.put_shares([replace(share, **changes)])


def end(store: Store, *numbers: int, job_id: str = "j", **result: int) -> None:
    for number in numbers:
        counts = {"pictures": 10, "new": 10, "faces": 7, **result}
        put_share(store, number, job_id, status=ShareStatus.DONE, attempts=1, result=counts)


def the(store: Store, job_id: str = "j") -> Job:
    job = store.job(job_id)
    assert job is not None
    return job


def numbers(sent: list[Any]) -> list[int]:
    return [arguments[1] for _, arguments in sent]


# ---- offering --------------------------------------------------------------------------------------------------------
def test_waiting_shares_are_offered_once_in_order_and_no_more_than_a_few_ahead(
    store: Store, look: Callable[..., None], sent: list[Any]
) -> None:
    put_job(store, shares=100)
    look()
    look(0.1)
    assert sent == [(TASK, ("j", number)) for number in range(1, FEWEST_OFFERED + 1)]
    assert (the(store).status, the(store).done, the(store).total) == (JobStatus.RUNNING, 0, 1000)


def test_as_more_workers_begin_more_is_offered(store: Store, look: Callable[..., None], sent: list[Any]) -> None:
    put_job(store, shares=300)
    for workers in (4, 10, 22, 46, 94):
        for number in range(1, workers + 1):
            put_share(store, number, attempts=1)
            store.acquire_lease(lease_of("j", number), owner=f"w{number}", seconds=60, now=Clock().now())
        look(0.1)
        assert len(set(numbers(sent)) - set(range(1, workers + 1))) <= MOST_OFFERED
    assert max(numbers(sent)) == MOST_OFFERED
    assert len(sent) == len(set(numbers(sent)))


def test_what_ends_is_counted_and_makes_room(store: Store, look: Callable[..., None], sent: list[Any]) -> None:
    put_job(store, shares=10)
    look()
    end(store, 1, 2)
    look(0.1)
    assert numbers(sent) == [1, 2, 3, 4, 5, 6]
    assert (the(store).done, the(store).detail["new"], the(store).detail["faces"]) == (20, 20, 14)


def test_lost_messages_are_sent_again_when_the_job_stands_still_ever_more_rarely(
    store: Store, look: Callable[..., None], sent: list[Any], clock: Clock
) -> None:
    put_job(store, shares=1)
    at: list[float] = []
    for _ in range(2 * 3600):
        before = len(sent)
        look(1.0)
        at += [clock.seconds] * (len(sent) - before)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert pauses[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert set(pauses[7:]) == {LONGEST_RESEND_SECONDS}


def test_while_others_move_nothing_counts_as_lost(store: Store, look: Callable[..., None], sent: list[Any]) -> None:
    put_job(store, shares=40)
    look()
    for number in range(1, 30):
        end(store, number)
        look(RESEND_SECONDS - 1)
    assert len(sent) == len(set(sent))


def test_while_a_worker_is_busy_with_a_large_share_nothing_counts_as_lost(
    store: Store, look: Callable[..., None], sent: list[Any], clock: Clock
) -> None:
    put_job(store, shares=3)
    look()
    put_share(store, 1, attempts=1)
    for _ in range(60):
        assert store.acquire_lease(lease_of("j", 1), owner="w", seconds=LEASE_SECONDS, now=clock.now())
        look(5.0)
    assert numbers(sent) == [1, 2, 3]


def test_a_share_whose_worker_died_is_offered_again(
    store: Store, look: Callable[..., None], sent: list[Any], clock: Clock
) -> None:
    put_job(store, shares=1)
    look()
    put_share(store, 1, attempts=1)
    assert store.acquire_lease(lease_of("j", 1), owner="w", seconds=LEASE_SECONDS, now=clock.now())
    look(LEASE_SECONDS - 1)
    assert numbers(sent) == [1]
    look(RESEND_SECONDS)
    assert numbers(sent) == [1, 1]


def test_a_begun_share_that_nobody_comes_for_is_offered_ever_more_rarely(
    store: Store, look: Callable[..., None], sent: list[Any], clock: Clock
) -> None:
    put_job(store, shares=1)
    put_share(store, 1, attempts=1)
    at: list[float] = []

    def look_on(seconds: int) -> None:
        for _ in range(seconds):
            before = len(sent)
            look(1.0)
            at.extend([clock.seconds] * (len(sent) - before))

    look_on(1000)
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    assert store.acquire_lease(lease_of("j", 1), owner="w", seconds=300, now=clock.now())
    look_on(300)  # somebody came after all, and died
    at.clear()
    look_on(40)
    assert [later - earlier for earlier, later in itertools.pairwise(at)] == [10, 20]


def test_a_new_dispatcher_offers_anew_what_waits(store: Store, look: Callable[..., None], sent: list[Any]) -> None:
    put_job(store, shares=2)
    look()
    ShareSweep(store, lambda task, arguments: sent.append((task, arguments))).look(store.unfinished_jobs())
    assert numbers(sent) == [1, 2, 1, 2]


def test_jobs_of_other_kinds_are_left_alone(store: Store, look: Callable[..., None], sent: list[Any]) -> None:
    put_job(store, kind="unheard-of")
    look()
    assert sent == []


def test_a_job_that_its_maker_looks_after_is_only_helped_with_its_shares(
    store: Store, look: Callable[..., None], sent: list[Any]
) -> None:
    job = put_job(store, kind="rescore", shares=2)
    look()
    assert sent == [("training.do_share", ("j", 1)), ("training.do_share", ("j", 2))]
    end(store, 1, 2)
    look(0.5)
    assert the(store) == job


# ---- pausing ---------------------------------------------------------------------------------------------------------
def test_a_job_is_paused_when_the_shares_in_hand_are_done_and_goes_on_when_resumed(
    store: Store, look: Callable[..., None], sent: list[Any], clock: Clock
) -> None:
    put_job(store, shares=10)
    look()
    put_share(store, 1, attempts=1)
    assert store.acquire_lease(lease_of("j", 1), owner="w", seconds=60, now=clock.now())
    pause_job(store=store, job_id="j", actor="zoe", at=clock.now())
    look(0.5)
    assert (the(store).status, "1 of its parts is" in the(store).message) == (JobStatus.RUNNING, True)
    end(store, 1)
    store.release_lease(lease_of("j", 1), owner="w")
    look(60.0)
    assert (the(store).status, the(store).done) == (JobStatus.PAUSED, 10)
    assert len(sent) == FEWEST_OFFERED
    resume_job(store=store, job_id="j", actor="zoe", at=clock.now())
    look(0.5)
    assert the(store).status is JobStatus.RUNNING
    assert len(sent) > FEWEST_OFFERED


def test_a_job_that_is_paused_before_it_began_is_paused(store: Store, look: Callable[..., None]) -> None:
    put_job(store)
    store.set_wish("j", JobWish.PAUSE)
    look()
    assert the(store).status is JobStatus.PAUSED


# ---- settling --------------------------------------------------------------------------------------------------------
def test_when_all_have_ended_the_job_is_done_with_its_numbers(store: Store, look: Callable[..., None]) -> None:
    put_job(store)
    end(store, 1, 2, 3)
    look()
    job = the(store)
    assert (job.status, job.done, job.total) == (JobStatus.DONE, 30, 30)
    assert job.message == "30 pictures with 21 faces taken in."
    assert store.unfinished_jobs() == ()


def test_failed_shares_fail_the_job_and_a_retry_offers_them_alone(
    store: Store, look: Callable[..., None], sent: list[Any], clock: Clock
) -> None:
    put_job(store)
    end(store, 1, 3)
    put_share(store, 2, status=ShareStatus.FAILED, attempts=3, message="It is not mounted.")
    look()
    job = the(store)
    assert job.status is JobStatus.FAILED
    assert job.message == "1 of 3 parts failed: It is not mounted. 20 pictures with 14 faces taken in."
    retry_failed(store=store, job_id="j", actor="zoe", at=clock.now())
    assert the(store).status is JobStatus.QUEUED
    look(0.5)
    assert numbers(sent) == [2]
    end(store, 2)
    look(0.5)
    assert (the(store).status, the(store).done) == (JobStatus.DONE, 30)


def test_a_dispatcher_that_is_killed_while_it_settles_leaves_it_to_the_next_look(
    store: Store, look: Callable[..., None], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_job(store)
    end(store, 1, 2, 3)

    class Killed(BaseException):
        pass

    def killed(job: Job) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(store, "put_job", killed)
        look()
    assert the(store).status is JobStatus.QUEUED
    assert store.acquire_lease(settling_lease("j"), owner="of the dead", seconds=LEASE_SECONDS, now=clock.now())
    look(LEASE_SECONDS - 1)
    assert the(store).status is JobStatus.QUEUED
    look(2)
    assert the(store).status is JobStatus.DONE


def test_what_a_person_retries_meanwhile_is_not_settled(
    store: Store, look: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put_job(store)
    end(store, 1, 2, 3)
    stale = store.shares("j")
    put_share(store, 2, status=ShareStatus.WAITING)
    fresh = store.shares
    answers = iter([lambda job_id: stale])
    monkeypatch.setattr(store, "shares", lambda job_id: next(answers, fresh)(job_id))
    look()
    assert the(store).status is JobStatus.QUEUED


def test_while_shares_are_done_the_dispatcher_looks_often_and_no_more_than_a_part_of_its_time(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    takes = 0.0

    def jobs() -> tuple[Job, ...]:
        looks.append(clock.seconds)
        clock.seconds += takes
        return unfinished()

    unfinished = store.unfinished_jobs
    monkeypatch.setattr(store, "unfinished_jobs", jobs)
    dispatcher = Dispatcher(store, lambda task, _: None, lambda _: [], clock.monotonic, clock.now)

    def looks_in_ten_seconds() -> int:
        looks.clear()
        until = clock.seconds + 10
        while clock.seconds < until:
            dispatcher.look()
            clock.seconds += 0.05
        return len(looks)

    idle = looks_in_ten_seconds()
    put_job(store)
    at_work = looks_in_ten_seconds()
    takes = 0.1
    slow = looks_in_ten_seconds()
    assert (30 <= idle <= 41, 80 <= at_work <= 101, 5 <= slow <= 11) == (True, True, True), (idle, at_work, slow)


# ---- one does not stop the others ------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [ValueError("broken"), TransientError("away")])
def test_what_is_wrong_with_one_job_does_not_stop_the_others(
    store: Store, look: Callable[..., None], sent: list[Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    put_job(store, "a")
    put_job(store, "b", shares=1)
    shares = store.shares

    def broken(job_id: str) -> Any:
        if job_id == "a":
            raise error
        return shares(job_id)

    monkeypatch.setattr(store, "shares", broken)
    if isinstance(error, TransientError):
        with pytest.raises(TransientError):
            look()
    else:
        look()
    assert sent == [(TASK, ("b", 1))]


# ---- training --------------------------------------------------------------------------------------------------------
def test_a_failed_training_is_sent_at_once_when_somebody_retries_it(
    store: Store, sent: list[Any], clock: Clock
) -> None:
    make.add_personas(store, "Ada")
    dispatcher = Dispatcher(
        store,
        lambda task, arguments: sent.append(task),
        lambda _: [],
        clock.monotonic,
        clock.now,
    )
    for _ in range(600):
        dispatcher.look()
        clock.seconds += 1
    tried = len(sent)
    failed = replace(put_job(store, TRAINER_JOB, kind="train", shares=0), status=JobStatus.FAILED)
    store.put_job(failed)
    retry_failed(store=store, job_id=TRAINER_JOB, actor="zoe", at=clock.now())
    for _ in range(3):
        clock.seconds += JOBS_SECONDS
        dispatcher.look()
    assert sent[tried:] == ["training.train"]


def test_a_retried_training_that_has_nothing_to_learn_is_done(store: Store, sent: list[Any], clock: Clock) -> None:
    make.add_personas(store, "Ada")
    store.advance_cursor(TRAINER_CURSOR, store.head(LABELS))
    put_job(store, TRAINER_JOB, kind="train", shares=0)
    dispatcher = Dispatcher(store, lambda task, _: sent.append(task), lambda _: [], clock.monotonic, clock.now)
    dispatcher.look()
    assert (sent, the(store, TRAINER_JOB).status) == ([], JobStatus.DONE)
