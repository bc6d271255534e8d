"""Workers on a real Redis that is killed, started again, flushed and frozen under them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.workers import Workers
from tests.processes import PATIENCE_SECONDS
from tests.servers import NoServerError, RedisServer

pytestmark = pytest.mark.kill


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One of the test's own, because it is ill-treated."""
    try:
        server = RedisServer()
    except NoServerError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture
def workers(redis: RedisServer, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path, {"REDIS_URL": redis.url})
    yield made
    made.end()


def test_a_worker_goes_on_after_redis_was_flushed_killed_and_started_again(workers, redis):
    workers.start()
    workers.send("first")
    workers.wait_for("first")
    redis.flush()
    workers.send("after-flush")
    workers.wait_for("after-flush")
    redis.kill()
    workers.wait(lambda: workers.said("Connection to broker lost") or workers.said("Cannot connect"), "a lost Redis")
    redis.start()
    workers.send("after-restart")
    workers.wait_for("after-restart")


def test_a_redis_that_dies_under_a_task_costs_neither_the_task_nor_the_worker(workers, redis):
    worker = workers.start()
    workers.hold()
    workers.send("held")
    workers.wait_for("held", what="begun")
    redis.restart()
    workers.let_go()
    workers.wait_for("held")
    workers.send("next")
    workers.wait_for("next")
    assert worker.poll() is None


def test_a_worker_that_starts_before_redis_waits_for_it(workers, redis):
    redis.kill()
    workers.start_blindly()
    workers.wait(lambda: workers.said("Cannot connect"), "a worker that waits")
    redis.start()
    workers.send("late")
    workers.wait_for("late")


def test_sigterm_while_redis_is_away_ends_a_worker(workers, redis):
    worker = workers.start()
    redis.kill()
    workers.wait(lambda: workers.said("Cannot connect"), "a worker that waits")
    worker.send_signal(signal.SIGTERM)
    worker.wait(PATIENCE_SECONDS)


def test_two_workers_share_a_queue_and_do_each_message_once(workers):
    workers.start()
    workers.start()
    names = [f"task-{number}" for number in range(40)]
    workers.send(*names)
    workers.wait_for(*names)
    assert all(workers.times(name, "begun") == 1 for name in names)
