"""What a process answers to probes, and to Prometheus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from celery import Celery
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from orchestration import state_metrics
from orchestration.heartbeat import SILENCE_SECONDS, Heartbeat
from orchestration.probes import Probes, UnableToProbeError, check_broker, probes_of, serve_probes
from orchestration.roles import DISPATCHER, INGEST_WORKER, ROLES, TRAINER_WORKER, WEB
from personas import readiness
from personas.readiness import NotReadyError
from tests.processes import free_port


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fine() -> None:
    """A check that finds nothing missing."""


def away() -> None:
    raise NotReadyError("The broker does not answer.")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heartbeat(clock: Clock) -> Heartbeat:
    return Heartbeat(clock)


@pytest.fixture
def port() -> int:
    return free_port()


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


# ---- alive -----------------------------------------------------------------------------------------------------------
def test_a_loop_that_goes_round_is_alive_and_one_that_stands_still_is_not(clock, heartbeat):
    probes = Probes(heartbeat, {})
    clock.now += SILENCE_SECONDS - 1
    heartbeat.beat()
    clock.now += SILENCE_SECONDS - 1
    assert probes.health() == (True, {"loop": "ok"})
    clock.now += 2
    alive, said = probes.health()
    assert not alive
    assert "start the process again" in said["loop"]


def test_a_loop_that_waits_for_its_broker_has_time_to_come_back(clock, heartbeat):
    probes = Probes(heartbeat, {})
    clock.now += SILENCE_SECONDS - 1
    heartbeat.excuse()
    clock.now += SILENCE_SECONDS - 1
    assert probes.health()[0]
    clock.now += 2
    assert not probes.health()[0]


def test_a_task_in_hand_may_take_its_limit_and_no_broker_that_is_away_prolongs_it(clock, heartbeat):
    probes = Probes(heartbeat, {})
    heartbeat.task_begins("training.train", seconds=500.0)
    clock.now += 499
    assert probes.health()[0]
    heartbeat.excuse()
    clock.now += 2
    alive, said = probes.health()
    assert not alive
    assert "training.train" in said["loop"]
    heartbeat.beat()
    assert probes.health()[0]


# ---- ready -----------------------------------------------------------------------------------------------------------
def test_each_check_is_named_with_ok_or_with_what_is_missing(heartbeat):
    probes = Probes(heartbeat, {"store": fine, "broker": away})
    probes.working.set()
    assert probes.readiness() == (False, {"store": "ok", "broker": "The broker does not answer."})


def test_a_process_that_has_not_begun_or_was_told_to_end_is_not_ready(heartbeat):
    probes = Probes(heartbeat, {"store": fine})
    assert not probes.readiness()[0]
    probes.working.set()
    assert probes.readiness()[0]
    probes.ending.set()
    ready, said = probes.readiness()
    assert not ready
    assert "told to end" in said["process"]


def test_the_web_does_not_ask_for_the_broker_and_the_others_ask_for_what_they_need():
    needs = {
        name: set(probes_of(ROLES[name], None).checks) for name in (WEB, INGEST_WORKER, TRAINER_WORKER, DISPATCHER)
    }
    assert needs == {
        WEB: {"database", "schema", "store", "models"},
        INGEST_WORKER: {"schema", "store", "broker", "models"},
        TRAINER_WORKER: {"schema", "store", "broker"},
        DISPATCHER: {"schema", "store", "broker"},
    }


def test_what_is_missing_is_logged_once_and_so_is_its_return(caplog, monkeypatch):
    monkeypatch.setattr(readiness, "_last", {})
    caplog.set_level("INFO", "personas.readiness")
    for check in (away, away, fine, fine):
        readiness.readiness({"broker": check})
    assert [record.getMessage() for record in caplog.records] == [
        "not ready: The broker does not answer.",
        "ready again",
    ]


@pytest.mark.django_db
def test_a_store_that_fails_is_named_without_what_its_driver_said(monkeypatch):
    from personas.store import get_store
    from personas.store.base import StoreError

    def refused() -> None:
        raise StoreError("password authentication failed for user faceproject at 10.0.0.5")

    monkeypatch.setattr(get_store(), "champion", refused)
    found = readiness.readiness(readiness.WEB_CHECKS)
    assert found["database"] == found["schema"] == "ok"
    assert found["store"] == "The state repository cannot be read."
    assert "10.0.0.5" not in json.dumps(found)


@pytest.mark.django_db
def test_weights_that_are_not_what_they_should_be_keep_an_ingest_worker_from_being_ready(settings, tmp_path):
    from ingest import extraction

    altered = tmp_path / "detector.onnx"
    altered.write_bytes(b"something else")
    settings.FACE_DETECTOR_WEIGHTS = str(altered)
    extraction.check_weights.cache_clear()
    try:
        with pytest.raises(NotReadyError, match="SHA-256"):
            probes_of(ROLES[INGEST_WORKER], None).checks["models"]()
    finally:
        extraction.check_weights.cache_clear()


def test_what_nobody_foresaw_is_not_ready_either_and_its_cause_stands_in_the_log(caplog, monkeypatch):
    monkeypatch.setattr(readiness, "_last", {})

    def broken() -> None:
        raise RuntimeError("a bug")

    assert readiness.readiness({"store": broken, "broker": fine}) == {"store": readiness.UNFORESEEN, "broker": "ok"}
    assert "a bug" in caplog.records[0].cause


@pytest.mark.django_db
def test_the_web_logs_what_is_missing_once_however_often_it_is_asked(client, caplog, monkeypatch):
    monkeypatch.setattr(readiness, "_last", {})
    monkeypatch.setitem(readiness.WEB_CHECKS, "store", away)
    assert [client.get("/readyz").status_code for _ in range(3)] == [503] * 3
    assert len(caplog.records) == 1


@pytest.mark.django_db
def test_an_artefact_that_is_gone_is_named_with_the_way_back(monkeypatch):
    def gone() -> None:
        raise FileNotFoundError("/state/media/artefacts/5c")

    monkeypatch.setattr(readiness, "current_recogniser", gone)
    assert "manage.py rollback" in readiness.readiness(readiness.WEB_CHECKS)["models"]


# ---- over HTTP -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_probes_are_answered_on_their_port(settings, port, heartbeat):
    settings.PROBE_PORT = port
    probes = Probes(heartbeat, {"store": fine, "broker": away})
    probes.working.set()
    end = serve_probes(probes)
    try:
        assert ask(port, "/healthz") == (200, '{"status": "ok", "checks": {"loop": "ok"}}')
        status, text = ask(port, "/readyz?verbose=1")
        assert status == 503
        assert json.loads(text)["checks"] == {"store": "ok", "broker": "The broker does not answer."}
        status, text = ask(port, "/metrics")
        assert status == 200
        assert "# TYPE faceproject_store_seconds histogram" in text
        assert ask(port, "/")[0] == 404
        with pytest.raises(UnableToProbeError, match=str(port)):
            serve_probes(probes)
    finally:
        end()


def test_without_a_port_nobody_is_answered(settings, heartbeat):
    settings.PROBE_PORT = 0
    serve_probes(Probes(heartbeat, {}))()


# ---- the broker ------------------------------------------------------------------------------------------------------
def test_a_broker_that_is_there_is_ready():
    check_broker()


def test_a_broker_that_is_away_is_named_without_its_address(monkeypatch, port):
    app = Celery("away", broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    monkeypatch.setattr("celery.current_app", app)
    with pytest.raises(NotReadyError, match="broker") as raised:
        check_broker()
    assert str(port) not in str(raised.value)


# ---- how the whole is ------------------------------------------------------------------------------------------------
def scraped() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(state_metrics.StateMetrics())
    return registry


@pytest.mark.django_db
def test_an_empty_installation_has_no_champion_no_queue_and_no_job():
    registry = scraped()
    assert registry.get_sample_value("faceproject_champion_version") == 0
    assert registry.get_sample_value("faceproject_events_behind", {"follower": "trainer"}) == 0
    assert registry.get_sample_value("faceproject_jobs", {"status": "failed"}) == 0
    assert registry.get_sample_value("faceproject_queue_length", {"queue": "ingest"}) is not None


@pytest.mark.django_db
def test_what_cannot_be_found_out_is_left_out_and_counted_and_the_rest_is_shown(monkeypatch):
    from personas.store import get_store

    def broken(limit: int = 0) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(get_store(), "jobs", broken)
    errors = "faceproject_scrape_errors_total"
    before = REGISTRY.get_sample_value(errors, {"part": "jobs"}) or 0
    text = generate_latest(scraped()).decode()
    assert "faceproject_champion_version 0" in text
    assert "faceproject_jobs" not in text
    assert REGISTRY.get_sample_value(errors, {"part": "jobs"}) == before + 1
