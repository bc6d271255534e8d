"""What people may ask of jobs, and how jobs are shown in a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from personas.entities import Job, JobStatus, JobWish, Share, ShareStatus
from personas.errors import AmbiguousError, NotFoundError
from personas.selectors.jobs import find_job, list_jobs, view_of
from personas.services.jobs import UnableToSteerError, pause_job, possible_actions, resume_job, retry_failed
from personas.shares import per_second, settling_lease
from personas.store import get_store
from personas.store.base import Store
from personas.words import count_of, duration
from tests import factories as make

pytestmark = pytest.mark.django_db
ASKED: dict[str, Any] = {"actor": "zoe", "at": make.at(5)}


@pytest.fixture
def store() -> Store:
    return get_store()


def job(store: Store, job_id: str = "j", **changes: Any) -> Job:
    values: dict[str, Any] = {"kind": "ingest", "status": JobStatus.RUNNING, "created_at": make.at(0), **changes}
    made = Job(job_id=job_id, updated_at=make.at(1), actor="eve", **values)
    store.put_job(made)
    return made


def share(number: int, status: ShareStatus = ShareStatus.DONE, at: float = 0, **changes: Any) -> Share:
    return Share(job_id="j", number=number, status=status, updated_at=make.at(at), total=10, **changes)


# ---- steering --------------------------------------------------------------------------------------------------------
def test_pause_and_resume_are_wishes_that_are_written_down(store: Store) -> None:
    job(store)
    for _ in range(2):
        assert pause_job(store=store, job_id="j", **ASKED).wish is JobWish.PAUSE
    paused = store.job("j")
    assert paused is not None
    assert (paused.wish, paused.status) == (JobWish.PAUSE, JobStatus.RUNNING)
    resume_job(store=store, job_id="j", **ASKED)
    audits = [(entry.action, entry.actor, entry.target, entry.detail) for entry in store.audits().items]
    assert audits == [("job resume", "zoe", "j", {"kind": "ingest"}), ("job pause", "zoe", "j", {"kind": "ingest"})]


@pytest.mark.parametrize(
    ("ask", "changes", "why"),
    [
        (pause_job, {"kind": "upload"}, "cannot be paused"),
        (pause_job, {"status": JobStatus.DONE}, "has ended"),
        (resume_job, {"status": JobStatus.FAILED}, "has ended"),
        (retry_failed, {}, "has not failed"),
        (retry_failed, {"status": JobStatus.DONE}, "has not failed"),
        (retry_failed, {"kind": "rescore", "status": JobStatus.FAILED}, "cannot be retried"),
    ],
)
def test_what_cannot_be_done_is_said(store: Store, ask: Any, changes: dict[str, Any], why: str) -> None:
    before = job(store, **changes)
    with pytest.raises(UnableToSteerError, match=why):
        ask(store=store, job_id="j", **ASKED)
    assert store.job("j") == before
    assert store.audits().items == ()


@pytest.mark.parametrize("ask", [pause_job, resume_job, retry_failed])
def test_a_job_that_is_not_there_is_named(store: Store, ask: Any) -> None:
    with pytest.raises(NotFoundError, match="no job x"):
        ask(store=store, job_id="x", **ASKED)


def test_a_retry_has_failed_shares_wait_again_and_forgets_attempts(store: Store) -> None:
    store.put_shares([share(0), share(1, ShareStatus.FAILED, attempts=3, message="no"), share(2)])
    job(store, status=JobStatus.FAILED, message="1 of 2 parts failed", detail={"attempts": 3, "folder": "/p"})
    store.set_wish("j", JobWish.PAUSE)
    again = retry_failed(store=store, job_id="j", **ASKED)
    assert store.job("j") == again
    assert (again.status, again.wish, again.detail) == (JobStatus.QUEUED, JobWish.NONE, {"folder": "/p"})
    waiting = store.share("j", 1)
    assert waiting is not None
    assert (waiting.status, waiting.attempts, waiting.message) == (ShareStatus.WAITING, 0, "")
    assert [each.action for each in store.audits().items] == ["job retry"]


def test_a_retry_that_was_cut_short_can_be_asked_for_again(store: Store) -> None:
    store.put_shares([share(1, ShareStatus.WAITING)])
    job(store, status=JobStatus.FAILED)
    assert retry_failed(store=store, job_id="j", **ASKED).status is JobStatus.QUEUED


def test_a_job_that_is_just_ending_is_not_retried(store: Store) -> None:
    job(store, status=JobStatus.FAILED)
    assert store.acquire_lease(settling_lease("j"), owner="dispatcher", seconds=60, now=datetime.now(UTC))
    with pytest.raises(UnableToSteerError, match="in a moment"):
        retry_failed(store=store, job_id="j", **ASKED)


def test_only_what_can_be_done_is_offered(store: Store) -> None:
    running = job(store)
    assert possible_actions(running) == ("pause",)
    assert possible_actions(replace(running, wish=JobWish.PAUSE, status=JobStatus.PAUSED)) == ("resume",)
    assert possible_actions(replace(running, status=JobStatus.FAILED)) == ("retry",)
    assert possible_actions(replace(running, status=JobStatus.DONE)) == ()
    assert possible_actions(replace(running, kind="upload")) == ()


# ---- as people see them ----------------------------------------------------------------------------------------------
def test_rate_and_time_left_are_those_of_late() -> None:
    ended = [share(number, at=number) for number in range(0, 20, 2)]
    assert per_second(ended, at=make.at(20)) == 5.0
    assert per_second([share(0, at=-4000), *ended], at=make.at(20)) == 5.0
    assert per_second(ended[:2], at=make.at(20)) is None
    assert per_second(ended, at=make.at(4000)) is None
    running = Job(
        job_id="j",
        kind="ingest",
        status=JobStatus.RUNNING,
        created_at=make.at(0),
        updated_at=make.at(0),
        actor="eve",
        done=100,
        total=200,
        detail={"per_second": 5.0},
    )
    assert view_of(running).seconds_left == 20
    assert view_of(replace(running, detail={"per_second": 5.0, "listing": True})).seconds_left is None
    assert view_of(replace(running, status=JobStatus.PAUSED)).rate is None


@pytest.mark.parametrize(
    ("status", "wish", "word"),
    [
        (JobStatus.RUNNING, JobWish.PAUSE, "pausing"),
        (JobStatus.PAUSED, JobWish.PAUSE, "paused"),
        (JobStatus.PAUSED, JobWish.NONE, "resuming"),
        (JobStatus.DONE, JobWish.PAUSE, "done"),
        (JobStatus.RUNNING, JobWish.NONE, "running"),
    ],
)
def test_a_status_says_what_is_on_its_way(store: Store, status: JobStatus, wish: JobWish, word: str) -> None:
    assert view_of(replace(job(store), status=status, wish=wish)).status == word


def test_words() -> None:
    assert [duration(seconds) for seconds in (None, 0.2, 8, 89, 90, 5399, 5400, 200_000)] == [
        *("", "1 s", "8 s", "89 s", "2 min", "90 min", "2 h", "2 d"),
    ]
    assert (count_of(1, "file"), count_of(1200, "file")) == ("1 file", "1,200 files")


def test_a_job_is_found_by_how_its_id_begins(store: Store) -> None:
    job(store, "abc-1")
    job(store, "abd-2")
    assert find_job(store, "abc").job_id == "abc-1"
    with pytest.raises(AmbiguousError):
        find_job(store, "ab")
    for name in ("x", ""):
        with pytest.raises(NotFoundError):
            find_job(store, name)


def test_jobs_are_paged_newest_first(store: Store) -> None:
    for number in range(5):
        job(store, f"{number}", created_at=make.at(number))
    first = list_jobs(store, limit=3)
    rest = list_jobs(store, cursor=first.next_cursor, limit=3)
    assert [view.job.job_id for view in (*first.items, *rest.items)] == list("43210")
    assert rest.next_cursor is None


# ---- the command -----------------------------------------------------------------------------------------------------
def run(*arguments: str) -> str:
    out = StringIO()
    call_command("jobs", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_shows_and_steers(store: Store) -> None:
    assert "no jobs yet" in run()
    job(store, "abcdefgh-1", done=1000, total=4000, message="Looking for faces.", detail={"per_second": 10.0})
    listed = run()
    for text in ("abcdefgh", "ingest", "running", "1,000/4,000", "5 min", "Looking for faces."):
        assert text in listed
    assert json.loads(run("--json"))["jobs"][0]["job_id"] == "abcdefgh-1"
    assert "pauses" in run("pause", "abcdefgh")
    assert "pausing" in run("list")
    assert json.loads(run("show", "abcdefgh", "--json"))["wish"] == "pause"
    assert "goes on" in run("resume", "abcdefgh-1")
    with pytest.raises(CommandError, match="has not failed"):
        run("retry", "abcdefgh")


def test_the_command_shows_what_failed_and_what_to_do(store: Store) -> None:
    store.put_shares([share(0), share(1, ShareStatus.FAILED, message="It is not mounted.")])
    rejected = [{"path": "a.jpg", "reason": "truncated", "message": "It ends early."}]
    job(store, status=JobStatus.FAILED, message="1 of 1 parts failed.", detail={"new": 3, "rejected": rejected})
    shown = run("show", "j")
    for text in ("part 1 failed: It is not mounted.", "rejected a.jpg: It ends early.", "new: 3", "jobs retry j"):
        assert text in shown
    assert "tries again" in run("retry", "j")


def test_the_command_without_a_job_says_how_it_is_used(store: Store) -> None:
    with pytest.raises(SystemExit) as ended:
        run("pause")
    assert ended.value.code == 2
