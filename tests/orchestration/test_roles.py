"""One description of each role, for `manage.py role`, for `run` and for containers."""

from __future__ import annotations

from orchestration.queues import QUEUES
from orchestration.roles import ON_ONE_MACHINE, ROLES, all_roles, command


def test_the_roles_are_those_of_the_product():
    assert set(ROLES) == {"web", "ingest-worker", "trainer-worker", "dispatcher", "scorer", "init"}


def test_every_queue_is_one_role_s():
    assert sorted(role.queue for role in ROLES.values() if role.queue) == sorted(QUEUES)


def test_what_takes_or_sends_tasks_needs_the_broker_and_the_web_never_does():
    assert {name for name, role in ROLES.items() if role.needs_broker} == {
        "ingest-worker",
        "trainer-worker",
        "dispatcher",
    }


def test_every_role_is_started_by_the_one_entry_point():
    for name, role in ROLES.items():
        parts = command(role, host="127.0.0.1", port=8000)
        assert parts[2:4] == ["role", name]
        assert ("--port" in parts) == role.serves


def test_run_starts_the_roles_of_one_machine_in_the_checkout_s_folder(settings):
    programs = all_roles("127.0.0.1", 8123)
    assert [program.name for program in programs] == list(ON_ONE_MACHINE)
    assert {program.folder for program in programs} == {settings.BASE_DIR}
    assert programs[0].command[-4:] == ["--host", "127.0.0.1", "--port", "8123"]


def test_run_is_quiet_unless_a_level_is_chosen(monkeypatch):
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    assert {program.environment["LOG_LEVEL"] for program in all_roles("127.0.0.1", 8000)} == {"WARNING"}
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    assert {program.environment["LOG_LEVEL"] for program in all_roles("127.0.0.1", 8000)} == {"DEBUG"}


def test_relative_places_are_made_absolute_for_processes_that_start_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEPROJECT_HOME", "state")
    monkeypatch.setenv("SECRET_KEY_FILE", "key")
    environment = all_roles("127.0.0.1", 8000)[0].environment
    assert environment["FACEPROJECT_HOME"] == str(tmp_path / "state")
    assert environment["SECRET_KEY_FILE"] == str(tmp_path / "key")


def test_on_one_machine_each_role_has_a_probe_port_of_its_own(settings):
    settings.PROBE_PORT = 9100
    ports = [program.environment["PROBE_PORT"] for program in all_roles("127.0.0.1", 8000)]
    assert ports == ["9100", "9101", "9102", "9103"]
    settings.PROBE_PORT = 0
    assert not any("PROBE_PORT" in program.environment for program in all_roles("127.0.0.1", 8000))
