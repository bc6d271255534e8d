"""`manage.py role NAME`: waits for the schema, says how it is, and ends when told to."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestration.role_home import RoleHome, ask
from tests.processes import free_port, wait_until
from tests.servers import RedisServer

pytestmark = pytest.mark.kill


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RoleHome]:
    made = RoleHome(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("name", ["ingest-worker", "trainer-worker", "dispatcher", "web"])
def test_a_role_waits_for_the_schema_then_is_ready_and_ends_on_sigterm(home: RoleHome, name: str):
    arguments = ["--port", str(free_port())] if name == "web" else []
    started = home.start(name, *arguments)
    assert "manage.py role init" in started.wait_for_status(503)["schema"]
    assert ask(started.port, "/healthz")[0] == 200
    assert home.init().exit_code() == 0
    assert set(started.wait_ready().values()) == {"ok"}
    assert ask(started.port, "/healthz")[0] == 200
    assert "faceproject_store_seconds" in ask(started.port, "/metrics")[1]
    assert started.end() == 0
    records = started.records()
    waited = [each for each in records if each["message"].startswith(("waiting", "the web process is not ready"))]
    assert len(waited) == 1
    assert {each["role"] for each in records} == {name}


def test_the_scorer_answers_probes_and_is_ready_with_a_version(home: RoleHome):
    home.init()
    started = home.start("scorer", "--port", str(free_port()))
    wait_until(lambda: "no version" in started.checks()[1].get("models", ""), "readyz says so", logs=started.said)
    assert ask(started.port, "/healthz")[0] == 200
    assert started.end() == 0
    assert {record["role"] for record in started.records()} == {"scorer"}


@pytest.mark.parametrize("name", ["ingest-worker", "dispatcher"])
def test_a_role_that_still_waits_for_the_schema_ends_on_sigterm(home: RoleHome, name: str):
    started = home.start(name)
    started.wait_for_status(503)
    assert started.end() == 0


def test_a_worker_that_stands_still_is_unhealthy_and_one_that_goes_on_is_not(home: RoleHome):
    """The silence that is allowed is shortened by a settings module of the test's own."""
    home.init()
    started = home.start("ingest-worker", DJANGO_SETTINGS_MODULE="tests.orchestration.impatient_settings")
    started.wait_ready()
    first = wait_until(lambda: ask(started.port, "/healthz"), "an answer")
    assert first[0] == 200
    main_thread = started.process.pid  # the first thread of a process has its number
    os.kill(main_thread, signal.SIGVTALRM)  # its main loop stands from now on
    wait_until(lambda: ask(started.port, "/healthz")[0] == 503, "healthz says that it stands still", logs=started.said)


def test_a_worker_whose_broker_is_away_is_alive_and_not_ready_until_it_is_back(
    home: RoleHome, redis_server: RedisServer
):
    home.init()
    impatient = {"DJANGO_SETTINGS_MODULE": "tests.orchestration.impatient_settings", "REDIS_URL": redis_server.url}
    started = home.start("ingest-worker", **impatient)
    started.wait_ready()
    redis_server.kill()
    try:
        wait_until(lambda: "broker" in started.wait_for_status(503)["broker"], "readyz names it", logs=started.said)
        # Pauses of 2, 4, 6 and 8 seconds: longer than a loop may be silent that waits for nothing.
        wait_until(lambda: started.log.read_text().count("Trying again in") >= 5, "tries", logs=started.said)
        assert ask(started.port, "/healthz")[0] == 200
    finally:
        redis_server.restart()
    started.wait_ready()
    assert ask(started.port, "/healthz")[0] == 200
    assert started.end() == 0


def test_an_unknown_role_is_named_with_the_others(home: RoleHome):
    started = home.start("cleaner")
    assert started.exit_code() == 2
    assert "ingest-worker" in started.said()


def test_embedded_the_web_listens_on_loopback_only(home: RoleHome):
    started = home.start("web", "--host", "0.0.0.0", "--port", str(free_port()))
    assert started.exit_code() == 1
    assert "EMBEDDED=false" in started.said()


def test_a_taken_probe_port_is_named(home: RoleHome):
    first = home.start("dispatcher")
    first.wait_for_status(503)
    second = home.start("trainer-worker", PROBE_PORT=str(first.port))
    assert second.exit_code() == 1
    assert f"Probes cannot listen on 127.0.0.1:{first.port}" in second.said()
