"""Workers on a real Redis that is killed, started again, flushed and frozen under them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.workers import Workers
from tests.processes import PATIENCE_SECONDS, kill
from tests.servers import RedisServer

pytestmark = pytest.mark.kill


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


def test_a_worker_goes_on_after_redis_hung_for_a_while(workers, redis):
    workers.start()
    with redis.frozen():
        workers.wait(lambda: workers.said("Redis BRPOP got no reply"), "a worker that noticed")
    workers.send("after-thaw")
    workers.wait_for("after-thaw")


def test_sigterm_lets_the_task_in_hand_end_and_leaves_the_rest_in_the_queue(workers, redis):
    worker = workers.start()
    workers.hold()
    workers.send("in-hand", "waiting")
    workers.wait(lambda: workers.times("*", "begun"), "a task in hand")
    worker.send_signal(signal.SIGTERM)
    workers.wait(lambda: workers.said("asked to stop"), "a worker that knows it shall stop")
    workers.let_go()
    assert worker.wait(PATIENCE_SECONDS) == 0
    assert (workers.times("*", "begun"), workers.times("*", "done")) == (1, 1)
    with redis.client() as client:
        assert client.llen("faceproject:ingest") == 1
        assert client.hlen("faceproject:unacked") == 0
    workers.start()
    workers.wait(lambda: workers.times("*", "done") == 2, "the other task")


def test_a_killed_worker_s_message_is_kept_and_the_task_is_done_when_it_is_sent_again(workers, redis):
    worker = workers.start()
    workers.hold()
    workers.send("killed")
    workers.wait_for("killed", what="begun")
    kill(worker)
    with redis.client() as client:
        assert client.hlen("faceproject:unacked") == 1
    workers.let_go()
    workers.start()
    workers.send("killed")  # as the dispatcher does, long before Redis offers the old message again
    workers.wait_for("killed")


def test_installations_with_prefixes_of_their_own_share_a_redis(workers, redis, tmp_path):
    (tmp_path / "other").mkdir()
    other = Workers(tmp_path / "other", {"REDIS_URL": redis.url, "REDIS_KEY_PREFIX": "other:"})
    try:
        workers.start()
        other.send("theirs")
        workers.send("ours")
        workers.wait_for("ours")
        with redis.client() as client:
            assert client.llen("other:ingest") == 1
        other.start()
        other.wait_for("theirs")
    finally:
        other.end()
