"""The watchdog ends the process when a task or a stop takes longer than it may; never before."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from personas.watchdog import EXIT_CODE, Watchdog


@dataclass
class Process:
    """A watchdog with a clock of the test's, whose process notes that it was ended."""

    now: float = 100.0
    ended: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watchdog = Watchdog(end=self.ended.append, monotonic=lambda: self.now)

    def after(self, seconds: float) -> list[int]:
        self.now += seconds
        self.watchdog.look()
        return self.ended


@pytest.fixture
def process():
    return Process()


def test_a_task_within_its_limit_is_left_alone(process):
    with process.watchdog.hand(name="ingest.x", task_id="1", limit_seconds=10):
        assert process.after(9.9) == []
    assert process.after(100) == []


def test_a_task_over_its_limit_ends_the_process_and_the_log_says_which_and_where(process, caplog):
    with process.watchdog.hand(name="ingest.x", task_id="1", limit_seconds=10):
        assert process.after(10.1) == [EXIT_CODE]
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert (record.task, record.task_id, record.limit_seconds) == ("ingest.x", "1", 10)
    assert __file__ in record.stood_at or ".py:" in record.stood_at


def test_a_process_that_was_asked_to_stop_has_its_grace(process):
    process.watchdog.stop_within(5)
    assert process.after(4.9) == []
    assert process.after(0.2) == [EXIT_CODE]


def test_asking_again_does_not_lengthen_the_grace(process):
    process.watchdog.stop_within(5)
    process.after(4)
    process.watchdog.stop_within(5)
    assert process.after(1.1) == [EXIT_CODE]


def test_a_failed_task_is_no_longer_in_hand(process):
    with pytest.raises(ZeroDivisionError), process.watchdog.hand(name="x", task_id="1", limit_seconds=10):
        raise ZeroDivisionError
    assert process.watchdog.in_hand is None
    assert process.after(11) == []
