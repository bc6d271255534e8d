"""What the product asks of its broker: lengths of queues, and whether it answers; and what it sends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app

from faceproject.celery import app as product_app
from orchestration.dispatcher import send_by_celery
from orchestration.queues import broker_answers, queue_lengths, redis_options
from personas.errors import TransientError
from tests.orchestration.workers import Workers
from tests.servers import RedisServer


@pytest.fixture(params=["folder", "redis"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Celery's current application speaks to a broker of this test's own."""
    settings = {"REDIS_URL": request.getfixturevalue("redis").url} if request.param == "redis" else {}
    (tmp_path / "home" / "queue" / "messages").mkdir(parents=True)
    with Workers(tmp_path, settings).app as app:
        app.set_current()
        yield
        product_app.set_current()


@pytest.fixture
def broker_of_redis(redis: RedisServer, tmp_path: Path) -> Iterator[None]:
    with Workers(tmp_path, {"REDIS_URL": redis.url}).app as app:
        app.set_current()
        yield
        product_app.set_current()


@pytest.mark.usefixtures("broker")
def test_messages_that_wait_are_counted_by_queue():
    assert queue_lengths() == {"ingest": 0, "training": 0}
    send_by_celery("ingest.do_share", ("a", 1))
    send_by_celery("ingest.do_share", ("a", 2))
    send_by_celery("training.train", ())
    assert queue_lengths() == {"ingest": 2, "training": 1}
    broker_answers()


def test_a_redis_that_is_away_is_told_as_transient_and_is_used_again_when_it_is_back(broker_of_redis, redis):
    send_by_celery("training.train", ())
    redis.kill()
    for ask in (lambda: send_by_celery("training.train", ()), broker_answers, queue_lengths):
        with pytest.raises(TransientError, match="broker cannot be reached"):
            ask()
    redis.start()
    send_by_celery("training.train", ())
    assert queue_lengths()["training"] == 1


def test_a_redis_that_hangs_is_told_as_transient_too(broker_of_redis, redis):
    send_by_celery("training.train", ())
    with redis.frozen():
        for ask in (lambda: send_by_celery("training.train", ()), broker_answers):
            with pytest.raises(TransientError, match="broker cannot be reached"):
                ask()


def test_installations_with_prefixes_of_their_own_share_a_redis(redis, tmp_path):
    lengths = []
    for prefix in ("one:", "two:"):
        with Workers(tmp_path, {"REDIS_URL": redis.url, "REDIS_KEY_PREFIX": prefix}).app as app:
            app.set_current()
            try:
                if prefix == "one:":
                    send_by_celery("training.train", ())
                lengths.append(queue_lengths()["training"])
            finally:
                product_app.set_current()
    assert lengths == [1, 0]


def test_a_message_in_hand_is_not_offered_again_within_the_longest_limit():
    options = redis_options(key_prefix="", limits={"ingest": 10.0, "training": 5000.0})
    assert options["visibility_timeout"] > 5000.0


def test_a_message_that_a_dead_worker_held_comes_back_after_the_visibility_timeout(broker_of_redis):
    send_by_celery("training.train", ())
    dead, alive = current_app.connection_for_read(), current_app.connection_for_read()
    try:
        held = dead.default_channel.basic_get("training")
        assert alive.default_channel.basic_get("training") is None
        alive.default_channel.qos.visibility_timeout = 0  # as if it were over
        alive.default_channel.qos.restore_visible(interval=1)
        back = alive.default_channel.basic_get("training")
        assert back.headers["id"] == held.headers["id"]
        back.ack()
    finally:
        dead.default_channel.qos._delivered.clear()  # the dead do not hand back
        dead.release()
        alive.release()
    assert queue_lengths()["training"] == 0
