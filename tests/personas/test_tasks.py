"""What the base class makes of a task's result or error, as a worker runs it (`apply` runs retries at once)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from celery import current_app, states
from celery.exceptions import Reject, Retry
from kombu.exceptions import OperationalError

from personas import log_context, tasks
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import LeaseBusyError, LeaseLostError
from personas.metrics import TASKS
from personas.tasks import MAX_RETRIES, Outcome, ProductTask
from personas.watchdog import Watchdog

#: What the task below does next; a task is registered once, so tests share it.
_do: list[Callable[[], str]] = []


@tasks.task("ingest.test_of_the_base_task")
def obey() -> str:
    """Does what the test wants of this attempt, or of all the rest."""
    return (_do.pop(0) if len(_do) > 1 else _do[0])()


def failing(error: Exception) -> Callable[[], str]:
    def fail() -> str:
        raise error

    return fail


@pytest.fixture
def run(caplog: pytest.LogCaptureFixture) -> Callable[..., list[logging.LogRecord]]:
    """Runs a task that does this; returns what the base class logged."""

    def run(*attempts: Callable[[], str]) -> list[logging.LogRecord]:
        _do[:] = attempts
        with caplog.at_level(logging.INFO, "personas.tasks"):
            obey.apply(task_id="the-id")
        return [record for record in caplog.records if record.name == "personas.tasks"]

    return run


def outcomes(records: list[logging.LogRecord]) -> list[str]:
    return [record.outcome for record in records if record.getMessage() == "task ended"]


def counted(outcome: Outcome) -> float:
    return TASKS.labels(obey.name, outcome.value)._value.get()


def test_records_of_a_task_carry_its_name_and_id():
    seen = []
    _do[:] = [lambda: str(seen.append(log_context.fields()))]
    obey.apply(task_id="the-id")
    assert (seen[0]["task"], seen[0]["task_id"]) == (obey.name, "the-id")
    assert "task" not in log_context.fields()


def test_a_task_that_ends_well_is_told_and_counted_once(run):
    before = counted(Outcome.DONE)
    assert outcomes(run(lambda: "Two pictures taken in.")) == [Outcome.DONE]
    assert counted(Outcome.DONE) == before + 1


def test_what_a_task_returns_is_not_logged(run):
    assert "pictures" not in str([record.__dict__ for record in run(lambda: "Two pictures taken in.")])


@pytest.mark.parametrize("error", [LeaseBusyError("x"), LeaseLostError("x")])
def test_another_worker_at_it_is_no_error(run, error):
    records = run(failing(error))
    assert outcomes(records) == [Outcome.BUSY]
    assert {record.levelno for record in records} == {logging.INFO}


@pytest.mark.parametrize("error", [FaceProjectError("No weights."), NotFoundError("No weights.")])
def test_an_anticipated_failure_is_told_by_its_message_and_not_tried_again(run, error):
    records = run(failing(error))
    assert outcomes(records) == [Outcome.FAILED]
    assert (records[0].getMessage(), records[0].exc_info) == ("the task failed: No weights.", None)


def test_anything_else_is_told_with_its_traceback_and_does_not_end_the_worker(run):
    records = run(failing(ZeroDivisionError("surprise")))
    assert outcomes(records) == [Outcome.ERRORED]
    assert records[0].exc_info is not None


@pytest.mark.parametrize("error", [TransientError("busy"), OperationalError("away"), ConnectionResetError("gone")])
def test_a_transient_error_is_tried_again(run, error):
    before = counted(Outcome.RETRIED)
    assert outcomes(run(failing(error), failing(error), lambda: "At last.")) == ["retried", "retried", "done"]
    assert counted(Outcome.RETRIED) == before + 2


def test_a_transient_error_that_stays_is_dropped_after_the_last_retry(run):
    records = run(failing(TransientError("away")))
    assert outcomes(records) == [*[Outcome.RETRIED] * MAX_RETRIES, Outcome.GIVEN_UP]
    assert "the dispatcher asks again" in records[-1].getMessage()


def test_a_retry_that_cannot_be_sent_is_left_to_the_dispatcher(run, monkeypatch):
    def retry(self: ProductTask, **options: object) -> Retry:
        raise Reject(OperationalError("away"), requeue=False)

    monkeypatch.setattr(ProductTask, "retry", retry)
    assert "the dispatcher asks again" in run(failing(TransientError("busy")))[-1].getMessage()


def test_pauses_before_retries_are_drawn_from_a_growing_range_with_an_end(monkeypatch):
    ranges = []

    def drawn(stop: int) -> int:
        ranges.append(stop - 1)
        return stop - 1

    pauses = []

    def retry(self: ProductTask, *, countdown: int, **options: object) -> Retry:
        pauses.append(countdown)
        return Retry()

    monkeypatch.setattr("celery.utils.time.random.randrange", drawn)
    monkeypatch.setattr(ProductTask, "retry", retry)
    _do[:] = [failing(TransientError("away"))]
    monkeypatch.setattr(ProductTask, "max_retries", 10)
    for retries in range(8):
        obey.apply(retries=retries)
    assert pauses == ranges == [1, 2, 4, 8, 16, 32, 60, 60]


def test_called_directly_it_is_the_function(run):
    _do[:] = [failing(TransientError("away"))]
    with pytest.raises(TransientError):
        obey()


def test_a_task_that_comes_while_the_worker_stops_is_handed_back(monkeypatch):
    stopping = Watchdog()
    stopping.stop_within(60)
    monkeypatch.setattr(tasks, "WATCHDOG", stopping)
    _do[:] = [lambda: pytest.fail("the task was begun")]
    handed_back = obey.apply()
    assert (handed_back.state, handed_back.result.requeue) == (states.REJECTED, True)


def test_a_task_is_in_hand_while_it_runs_with_the_limit_of_its_queue(monkeypatch, settings):
    settings.TASK_LIMIT_SECONDS = {"ingest": 12.0, "training": 34.0}
    watchdog = Watchdog()
    monkeypatch.setattr(tasks, "WATCHDOG", watchdog)
    seen = []
    _do[:] = [lambda: str(seen.append(watchdog.in_hand))]
    obey.apply(task_id="the-id")
    assert [(task.name, task.task_id, task.limit_seconds) for task in seen] == [(obey.name, "the-id", 12.0)]
    assert watchdog.in_hand is None


def test_every_task_of_the_product_has_the_base_class_and_a_queue_with_a_limit(settings):
    current_app.loader.import_default_modules()
    ours = {name: each for name, each in current_app.tasks.items() if not name.startswith("celery.")}
    assert {"ingest.process_upload", "training.train"} <= ours.keys()
    assert all(isinstance(each, ProductTask) for each in ours.values())
    assert {tasks.queue_of(name) for name in ours} == settings.TASK_LIMIT_SECONDS.keys()
