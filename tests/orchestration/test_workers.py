"""What workers do alike on every broker: messages in files, and Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.workers import Workers

pytestmark = pytest.mark.kill


@pytest.fixture(params=["folder", "redis"])
def workers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workers]:
    on_redis = request.param == "redis"
    made = Workers(tmp_path, {"REDIS_URL": request.getfixturevalue("redis").url} if on_redis else {})
    yield made
    made.end()


def test_several_workers_do_each_message_once_and_all_of_them(workers):
    for _ in range(3):
        workers.start()
    names = [f"task-{number}" for number in range(150)]
    workers.send(*names)
    workers.wait_for(*names)
    assert all(workers.times(name, "begun") == 1 for name in names)
    assert all(worker.poll() is None for worker in workers.running)
    assert not workers.said("Traceback")


def test_a_transient_error_is_tried_again_by_message(workers):
    workers.start()
    workers.send("patient", task="ingest.sample_that_needs_patience")
    workers.wait_for("patient")
    assert (workers.folder / "patient.attempts").read_text() == "..."
    assert workers.said("outcome=retried")


def test_a_retry_that_waits_for_its_time_keeps_no_other_task_from_being_done(workers):
    workers.start()
    workers.send("much-later", countdown=3600)
    workers.send("now", "and-now")
    workers.wait_for("now", "and-now")
    assert workers.times("much-later", "begun") == 0
