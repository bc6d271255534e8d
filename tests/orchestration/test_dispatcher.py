"""The dispatcher sends what the store says is due, once, and again when it was lost."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.dispatcher import (
    ERASING_SECONDS,
    ERASING_SHARE,
    LONGEST_RESEND_SECONDS,
    RESEND_SECONDS,
    RETENTION_SECONDS,
    RETENTION_SHARE,
    RETENTION_STEP_SECONDS,
    UPLOADS_SECONDS,
    Dispatcher,
    product_dispatcher,
)
from personas.entities import INGEST, LABELS, Champion, DeletedImage, ErasedImage, Event, Job, JobStatus, Slice
from personas.errors import TransientError
from personas.metrics import DISPATCHER_LOOKS
from personas.selectors.groups import GROUPS_JOB, REST, REST_TIMES

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
GROUP = ("training.group_unknown_faces", ())


@dataclass
class StoreThatOnlyCounts:
    """The part of the store port that the dispatcher reads."""

    heads: dict[str, int] = field(default_factory=lambda: {LABELS: 0, INGEST: 0})
    trained_through: int = 0
    scored_through: int = 0
    current: Champion | None = None
    repairs: int = 0
    closed: int = 0
    groups_follow: bool = True  #: unknown faces are always grouped already
    grouping: Job | None = None
    deleted: tuple[DeletedImage, ...] = ()
    erased: dict[str, ErasedImage] = field(default_factory=dict)

    def head(self, stream: str) -> int:
        return self.heads[stream]

    def cursor(self, name: str) -> int:
        return self.trained_through

    def champion(self) -> Champion | None:
        return self.current

    def fresh_through(self, version: int) -> int:
        return self.scored_through

    def repair(self) -> int:
        self.repairs += 1
        return 0

    def events(self, stream: str, *, after: int, limit: int) -> tuple[Event, ...]:
        return ()

    def events_by_id(self, stream: str, event_ids: Collection[str]) -> dict[str, Event]:
        return {}

    def advance_cursor(self, name: str, seq: int) -> None:
        """Of commands that were cut short: there is none."""

    def job(self, job_id: str) -> Job | None:
        return grouping(of=self.now_made_of()) if self.groups_follow else self.grouping

    def now_made_of(self) -> list[int]:
        return [self.current.revision if self.current else 0, self.heads[INGEST]]

    def unfinished_jobs(self) -> tuple[Job, ...]:
        return ()

    def deleted_images(self, *, cursor: str | None, limit: int) -> Slice[DeletedImage]:
        return Slice(items=self.deleted, next_cursor=None)

    def erased_among(self, image_ids: Collection[str]) -> dict[str, ErasedImage]:
        return {image_id: self.erased[image_id] for image_id in image_ids if image_id in self.erased}

    def close(self) -> None:
        self.closed += 1


def grouping(status: JobStatus = JobStatus.DONE, **detail: object) -> Job:
    """The record of a run that ended, or began, at the beginning of time."""
    return Job(
        job_id=GROUPS_JOB,
        kind="group",
        status=status,
        created_at=BEGINNING,
        updated_at=BEGINNING,
        actor="test",
        detail=detail,
    )


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store():
    return StoreThatOnlyCounts()


@pytest.fixture
def sent():
    return []


@pytest.fixture
def uploads():
    return []


@pytest.fixture
def dispatcher(store, sent, clock, uploads):
    return Dispatcher(
        store,
        lambda task, arguments: sent.append((task, arguments)),
        lambda _: uploads,
        clock,
        lambda: BEGINNING + timedelta(seconds=clock.now),
    )


def champion(version=1):
    return Champion(version=version, revision=version, at=datetime(2026, 1, 1, tzinfo=UTC), actor="test")


def test_nothing_is_sent_while_the_followers_are_up_to_date(dispatcher, sent):
    dispatcher.look()
    assert sent == []


def test_a_label_event_starts_one_training_however_often_it_is_seen(dispatcher, store, sent):
    store.heads[LABELS] = 3
    dispatcher.look()
    dispatcher.look()
    assert sent == [("training.train", ())]


def test_labels_that_come_during_a_training_send_nothing_until_it_ends_and_then_at_once(dispatcher, store, sent, clock):
    store.heads[LABELS] = 3
    dispatcher.look()
    for number in range(4, 30):  # somebody labels while the trainer is busy
        store.heads[LABELS] = number
        clock.now += 0.1
        dispatcher.look()
    assert len(sent) == 1
    store.trained_through = 3
    dispatcher.look()
    dispatcher.look()
    assert sent == [("training.train", ())] * 2


def test_a_lost_message_is_sent_again_after_a_while(dispatcher, store, sent, clock):
    store.heads[LABELS] = 3
    dispatcher.look()
    clock.now += RESEND_SECONDS + 1
    dispatcher.look()
    assert sent == [("training.train", ())] * 2


def test_a_task_that_keeps_failing_is_sent_ever_more_rarely_but_never_given_up(dispatcher, store, sent, clock):
    store.heads[LABELS] = 3
    sent_at = []
    for _ in range(2 * 3600):
        before = len(sent)
        dispatcher.look()
        if len(sent) > before:
            sent_at.append(clock.now)
        clock.now += 1.0
    pauses = [later - earlier for earlier, later in itertools.pairwise(sent_at)]
    assert pauses[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert set(pauses[7:]) == {LONGEST_RESEND_SECONDS}


def test_a_new_label_does_not_wait_for_the_long_pause_of_an_old_failure(dispatcher, store, sent, clock):
    store.heads[LABELS] = 3
    for _ in range(3600):
        dispatcher.look()
        clock.now += 1.0
    tried = len(sent)
    store.heads[LABELS] = 4
    clock.now += RESEND_SECONDS
    dispatcher.look()
    assert len(sent) == tried + 1


def test_a_gap_that_opens_anew_is_served_at_once(dispatcher, store, sent, clock):
    store.heads[LABELS] = 3
    dispatcher.look()
    store.trained_through = 3
    dispatcher.look()
    store.heads[LABELS] = 4
    dispatcher.look()
    assert sent == [("training.train", ())] * 2


def test_pictures_that_come_while_others_are_scored_wait_for_that(dispatcher, store, sent):
    store.current, store.heads[INGEST] = champion(), 5
    dispatcher.look()
    store.heads[INGEST] = 6
    dispatcher.look()
    assert len(sent) == 1
    store.scored_through = 5
    dispatcher.look()
    assert sent == [("training.score_new_faces", ())] * 2


def test_a_new_champion_that_is_behind_is_scored_at_once(dispatcher, store, sent):
    store.current, store.heads[INGEST] = champion(1), 5
    dispatcher.look()
    store.current = champion(2)
    dispatcher.look()
    assert sent == [("training.score_new_faces", ())] * 2


def test_new_faces_are_scored_only_once_there_is_a_champion(dispatcher, store, sent):
    store.heads[INGEST] = 5
    dispatcher.look()
    assert sent == []
    store.current = champion()
    dispatcher.look()
    assert sent == [("training.score_new_faces", ())]


def test_each_waiting_upload_becomes_a_task(dispatcher, uploads, sent):
    uploads.extend(["a", "b"])
    dispatcher.look()
    dispatcher.look()
    assert sent == [("ingest.process_upload", ("a",)), ("ingest.process_upload", ("b",))]


def test_what_was_sent_for_uploads_is_forgotten_when_they_are_done(dispatcher, uploads, clock):
    uploads.extend(str(number) for number in range(100))
    dispatcher.look()
    uploads.clear()
    clock.now += UPLOADS_SECONDS
    dispatcher.look()
    assert not dispatcher._outstanding


def test_an_upload_whose_worker_died_is_sent_again_when_it_waits_again(dispatcher, uploads, sent, clock):
    for waiting in (["a"], [], ["a"]):
        uploads[:] = waiting
        dispatcher.look()
        clock.now += UPLOADS_SECONDS
    assert sent == [("ingest.process_upload", ("a",))] * 2


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 11), (1.0, 1)])
def test_uploads_are_looked_for_once_a_second_and_more_rarely_where_that_takes_long(store, clock, seconds, expected):
    scans = []

    def scan(_):
        scans.append(clock.now)
        clock.now += seconds
        return []

    dispatcher = Dispatcher(store, lambda task, arguments: None, scan, clock)
    while clock.now < 10.05:
        dispatcher.look()
        clock.now += 0.1
    assert abs(len(scans) - expected) <= 1


def test_half_done_projections_are_completed_at_start_and_then_now_and_then(dispatcher, store, clock):
    dispatcher.look()
    dispatcher.look()
    assert store.repairs == 1
    clock.now += 61
    dispatcher.look()
    assert store.repairs == 2


def test_a_broker_that_is_away_does_not_end_the_dispatcher(store, clock, monkeypatch):
    monkeypatch.setattr("orchestration.dispatcher.time.sleep", lambda seconds: None)
    attempts = []

    def send(task, arguments):
        attempts.append(task)
        if len(attempts) < 3:
            raise TransientError("away")

    store.heads[LABELS] = 1
    dispatcher = Dispatcher(store, send, lambda _: [], clock)
    dispatcher.run(lambda: len(attempts) >= 3)
    assert attempts == ["training.train"] * 3


def test_what_nobody_foresaw_is_counted_and_does_not_end_the_dispatcher(store, clock, monkeypatch):
    monkeypatch.setattr("orchestration.dispatcher.time.sleep", lambda seconds: None)
    attempts = []

    def scan(_):
        attempts.append(clock.now)
        if len(attempts) < 3:
            raise FileNotFoundError
        return []

    before = errored()
    Dispatcher(store, lambda task, arguments: None, scan, clock).run(lambda: len(attempts) >= 3)
    assert (len(attempts), errored() - before, store.closed) == (3, 2, 2)


def errored():
    return DISPATCHER_LOOKS.labels("errored")._value.get()


@pytest.mark.parametrize("error", [TransientError("away"), ValueError("broken")])
def test_a_broker_that_refuses_does_not_keep_jobs_from_being_looked_after(store, clock, monkeypatch, error):
    def refused(task, arguments):
        raise error

    looked_at = []
    monkeypatch.setattr(store, "unfinished_jobs", lambda: looked_at.append("jobs") or ())
    store.heads[LABELS] = 1
    dispatcher = Dispatcher(store, refused, lambda _: looked_at.append("uploads") or [], clock)
    with pytest.raises(type(error)):
        dispatcher.look()
    assert (looked_at, store.repairs) == (["uploads", "jobs"], 1)


def test_of_several_failures_the_one_nobody_foresaw_is_told(store, clock):
    def refused(task, arguments):
        raise TransientError("away")

    def broken(_):
        raise ValueError("broken")

    store.heads[LABELS] = 1
    with pytest.raises(ValueError, match="broken"):
        Dispatcher(store, refused, broken, clock).look()


def test_a_broker_that_is_away_is_asked_once_a_look(store, clock):
    attempts = []

    def send(task, arguments):
        attempts.append((task, *arguments))
        raise TransientError("away")

    store.heads = {LABELS: 1, INGEST: 1}
    store.current = champion()
    dispatcher = Dispatcher(store, send, lambda _: ["a"], clock)
    for _ in range(2):
        with pytest.raises(TransientError):
            dispatcher.look()
    assert attempts == [("training.train",)] * 2


# ---- grouping of unknown faces ---------------------------------------------------------------------------------------
@pytest.fixture
def ungrouped(store):
    """Pictures came in, and nobody has grouped their faces."""
    store.groups_follow, store.heads[INGEST] = False, 5
    return store


def test_unknown_faces_are_grouped_before_there_is_a_champion(dispatcher, ungrouped, sent):
    dispatcher.look()
    dispatcher.look()
    assert sent == [GROUP]


def test_nothing_is_grouped_before_there_are_pictures(dispatcher, ungrouped, sent):
    ungrouped.heads[INGEST] = 0
    dispatcher.look()
    assert sent == []


def test_groups_are_made_anew_for_new_pictures_and_for_another_champion_after_a_rest(
    dispatcher, ungrouped, sent, clock
):
    ungrouped.grouping = grouping(of=[0, 5], run=1, seconds=3.0)
    for change in ("pictures", "champion"):
        clock.now = 0.0
        dispatcher._groups_at = float("-inf")
        if change == "pictures":
            ungrouped.heads[INGEST] = 6
        else:
            ungrouped.current = champion(2)
            ungrouped.scored_through = 6
        sent.clear()
        dispatcher.look()
        assert sent == [], change
        clock.now = max(REST.total_seconds(), REST_TIMES * 3.0) + 1
        dispatcher.look()
        assert sent == [GROUP], change
        ungrouped.grouping = grouping(of=ungrouped.now_made_of(), run=2, seconds=3.0)
        clock.now += 10
        dispatcher.look()
        assert sent == [GROUP], change


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING])
def test_what_somebody_asked_for_or_a_dead_worker_left_is_sent_at_once(dispatcher, ungrouped, sent, status):
    ungrouped.grouping = grouping(status, of=[0, 5])
    dispatcher.look()
    assert sent == [GROUP]


def test_grouping_that_failed_waits_for_something_new(dispatcher, ungrouped, sent, clock):
    ungrouped.grouping = grouping(JobStatus.FAILED, of=[0, 5])
    clock.now = 1000.0
    dispatcher.look()
    assert sent == []
    ungrouped.heads[INGEST] = 6
    clock.now += 10
    dispatcher.look()
    assert sent == [GROUP]


def test_learning_goes_before_grouping_and_does_not_hold_it_up_for_ever(dispatcher, ungrouped, sent, clock):
    ungrouped.heads[LABELS] = 3
    dispatcher.look()
    assert sent == [("training.train", ())]
    for _ in range(600):  # learning fails again and again
        clock.now += 1.0
        dispatcher.look()
    assert GROUP in sent
    ungrouped.trained_through = 3
    sent.clear()
    ungrouped.grouping = grouping(JobStatus.QUEUED, run=1)
    clock.now += 1.0
    dispatcher.look()
    assert sent == [GROUP]


def test_pictures_deleted_long_enough_ago_are_erased(dispatcher, store, sent, clock):
    store.deleted = (DeletedImage(image_id="a" * 64, deleted_at=BEGINNING, command_id=""),)
    clock.now = dispatcher.deleted_kept.total_seconds() - 1
    dispatcher.look()
    assert sent == []
    clock.now += ERASING_SECONDS
    dispatcher.look()
    assert sent == [("ingest.erase_pictures", ())]


def test_reading_many_marks_takes_a_small_part_of_the_time(dispatcher, store, clock, monkeypatch):
    reads: list[float] = []

    def many(**options: object) -> Slice[DeletedImage]:
        reads.append(clock.now)
        clock.now += 2.0
        return Slice(items=(), next_cursor=None)

    monkeypatch.setattr(store, "deleted_images", many)
    for said in range(0, 400_000, 1000):  # too many events to look through
        store.heads[LABELS] = store.trained_through = said
        clock.now += 1.0
        dispatcher.look()
    assert min(later - earlier for earlier, later in itertools.pairwise(reads)) >= 2.0 / ERASING_SHARE
    assert len(reads) >= 8


def test_an_erasure_that_was_begun_is_finished_at_once(dispatcher, store, sent, clock):
    picture = "a" * 64
    store.deleted = (DeletedImage(image_id=picture, deleted_at=BEGINNING, command_id=""),)
    store.erased = {picture: ErasedImage(image_id=picture, erased_at=BEGINNING, command_id="c")}
    dispatcher.look()
    assert sent == [("ingest.erase_pictures", ())]
    store.deleted = ()
    clock.now = LONGEST_RESEND_SECONDS
    dispatcher.look()
    assert sent == [("ingest.erase_pictures", ())]


def test_pictures_that_keep_coming_are_erased_as_fast_as_they_go(dispatcher, store, sent, clock):
    picture = "a" * 64
    store.deleted = (DeletedImage(image_id=picture, deleted_at=BEGINNING, command_id=""),)
    store.erased = {picture: ErasedImage(image_id=picture, erased_at=BEGINNING, command_id="c")}
    for number in range(10):
        store.trained_through = number  # the cursors move: the one before is gone
        clock.now = number * ERASING_SECONDS
        dispatcher.look()
    assert sent.count(("ingest.erase_pictures", ())) == 10


def test_the_roll_out_runs_beside_the_looks_one_at_a_time() -> None:
    began, end = threading.Event(), threading.Event()

    class Rollout:
        runs = 0

        def is_due(self) -> bool:
            return True

        def run(self) -> None:
            self.runs += 1
            began.set()
            assert end.wait(10)

    rollout, now = Rollout(), itertools.count(step=100)
    store = StoreThatOnlyCounts()
    dispatcher = Dispatcher(store, lambda *_: None, lambda _: [], monotonic=lambda: next(now), rollout=rollout)  # type: ignore[arg-type]
    dispatcher.look()
    assert began.wait(10)
    dispatcher.look()
    end.set()
    assert dispatcher._rolling_out is not None
    dispatcher._rolling_out.join(10)
    assert rollout.runs == 1
    assert store.closed == 1
    dispatcher.look()
    dispatcher._rolling_out.join(10)
    assert rollout.runs == 2


# ---- old jobs --------------------------------------------------------------------------------------------------------
@dataclass
class CountedRetention:
    """A sweep of so many steps, each of which may take time."""

    clock: Clock
    steps: int
    takes: float = 0.0
    failing: bool = False
    begun_at: list[float] = field(default_factory=list)

    def step(self) -> bool:
        self.begun_at.append(self.clock.now)
        self.clock.now += self.takes
        if self.failing:
            raise TransientError("the share is away")
        return len(self.begun_at) % self.steps != 0


@pytest.mark.parametrize("takes", [0.0, 1.0])
def test_old_jobs_are_swept_in_steps_between_other_looks_and_then_once_an_hour(dispatcher, clock, takes):
    dispatcher.retention = retention = CountedRetention(clock, steps=3, takes=takes)
    while clock.now < RETENTION_SECONDS * 1.5:
        dispatcher.look()
        clock.now += 0.5
    first, second, third, next_sweep = retention.begun_at[:4]
    pause = max(RETENTION_STEP_SECONDS, takes / RETENTION_SHARE)
    assert second - first >= pause and third - second >= pause
    assert third < 60
    assert next_sweep - third >= RETENTION_SECONDS
    assert len(retention.begun_at) == 6


def test_old_jobs_that_cannot_be_swept_keep_nothing_else_waiting_and_are_tried_again_later(
    dispatcher, store, sent, clock
):
    dispatcher.retention = retention = CountedRetention(clock, steps=1, failing=True)
    store.heads[LABELS] = 1
    with pytest.raises(TransientError, match="the share is away"):
        dispatcher.look()
    assert sent == [("training.train", ())]
    for _ in range(100):
        clock.now += 10.0
        dispatcher.look()
    assert len(retention.begun_at) == 1
    clock.now += RETENTION_SECONDS
    with pytest.raises(TransientError):
        dispatcher.look()


@pytest.mark.parametrize(("days", "kept"), [(90.0, timedelta(days=90)), (0.5, timedelta(hours=12)), (0.0, None)])
def test_the_setting_says_how_long_details_of_jobs_are_kept_and_none_is_for_ever(db, settings, days, kept):
    settings.JOBS_KEPT_DAYS = days
    retention = product_dispatcher(threading.Event()).retention
    assert (retention and retention.kept) == kept
