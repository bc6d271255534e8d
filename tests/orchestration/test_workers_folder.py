"""Workers on the embedded broker: messages are files."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.workers import Workers
from tests.processes import PATIENCE_SECONDS, kill

pytestmark = pytest.mark.kill


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path)
    yield made
    made.end()


def test_a_killed_worker_loses_its_message_and_the_next_one_does_what_is_sent_again(workers):
    worker = workers.start()
    workers.hold()
    workers.send("lost")
    workers.wait_for("lost", what="begun")
    kill(worker)
    workers.let_go()
    workers.start()
    workers.send("lost")  # as the dispatcher does, whose follower has not moved
    workers.wait_for("lost")
    assert workers.times("lost", "begun") == 2


def test_sigterm_lets_the_task_in_hand_end_and_takes_no_other(workers):
    worker = workers.start()
    workers.hold()
    workers.send("in-hand", "waiting")
    workers.wait(lambda: workers.times("*", "begun"), "a task in hand")
    worker.send_signal(signal.SIGTERM)
    workers.wait(lambda: workers.said("asked to stop"), "a worker that knows it shall stop")
    workers.let_go()
    assert worker.wait(PATIENCE_SECONDS) == 0
    assert (workers.times("*", "begun"), workers.times("*", "done")) == (1, 1)


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGQUIT,)], ids=["two SIGTERM", "SIGQUIT"]
)
def test_a_second_sigterm_or_sigquit_ends_at_once(tmp_path, signals):
    workers = Workers(tmp_path, {"STOP_GRACE_SECONDS": "3600"})
    try:
        worker = workers.start()
        workers.hold()
        workers.send("in-hand")
        workers.wait_for("in-hand", what="begun")
        for number, each in enumerate(signals):
            if number:  # two that come together are one
                workers.wait(lambda: workers.said("asked to stop"), "a worker that knows it shall stop")
            worker.send_signal(each)
        assert worker.wait(PATIENCE_SECONDS) == 128 + signals[-1]
        assert workers.times("in-hand", "done") == 0
    finally:
        workers.end()


def test_a_task_that_does_not_end_in_the_grace_of_a_stop_is_left_to_another_worker(tmp_path):
    workers = Workers(tmp_path, {"STOP_GRACE_SECONDS": "1"})
    try:
        worker = workers.start()
        workers.hold()
        workers.send("long")
        workers.wait_for("long", what="begun")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_SECONDS) == 75
        assert workers.said("not stopped in time")
    finally:
        workers.end()


def test_a_task_over_its_limit_ends_its_worker_with_a_line_that_names_it(tmp_path):
    workers = Workers(tmp_path, {"TASK_LIMIT_SECONDS_INGEST": "2"})
    try:
        worker = workers.start()
        workers.hold()
        workers.send("endless")
        assert worker.wait(PATIENCE_SECONDS) == 75
        assert workers.said("outlived its limit")
        assert workers.said("task=ingest.sample")
    finally:
        workers.end()
