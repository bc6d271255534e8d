"""Containers of the double behave as Azure's: restarts, states, probes, logs, ports, and an end with the test."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.azure_double.bodies import container_body, group_body
from tests.azure_double.https import Authority
from tests.azure_double.processes import LocalProcesses
from tests.azure_double.runtime_port import Context, Network
from tests.processes import wait_until

NOWHERE = Context(
    network=Network(subnet=None, subnets=(), services=(), neighbours=()), images=frozenset(), registries=frozenset()
)


@pytest.fixture
def runtime(tmp_path):
    with LocalProcesses(tmp_path / "runtime", Authority(tmp_path), shares=lambda account, name: None) as made:
        yield made


def run(runtime, command, *, name="one", **properties):
    """Start a group of one container; returns its id."""
    of_group = {key: properties.pop(key) for key in ("restartPolicy", "ipAddress") if key in properties}
    body = group_body(name, container_body("only", ["sh", "-c", command], **properties), **of_group)
    runtime.start(body, NOWHERE)
    return body["id"]


def until(runtime, group_id, condition, what):
    def look():
        (state,) = runtime.states(group_id)
        return state if condition(state) else None

    return wait_until(look, what, logs=lambda: f"{runtime.states(group_id)}\n{runtime.logs(group_id, 'only', 20)}")


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text()


def test_a_command_that_ends_well_is_terminated_and_not_run_again(runtime):
    group = run(runtime, "echo one; echo two; echo three", restartPolicy="OnFailure")
    state = until(runtime, group, lambda state: state.state == "Terminated", "it has ended")
    assert (state.exit_code, state.restarts, state.detail) == (0, 0, "Completed")
    assert runtime.logs(group, "only", 2) == "two\nthree\n"
    assert runtime.logs(group, "only", None) == "one\ntwo\nthree\n"


def test_a_command_that_fails_is_run_again_until_it_does_not(runtime, tmp_path):
    tries = tmp_path / "tries"
    group = run(runtime, f"echo x >>{tries}; test $(wc -l <{tries}) -ge 3", restartPolicy="OnFailure")
    state = until(runtime, group, lambda state: state.state == "Terminated", "it has ended")
    assert (state.exit_code, state.restarts) == (0, 2)


def test_what_shall_always_run_is_started_again_however_it_ends(runtime):
    group = run(runtime, "exit 0")
    until(runtime, group, lambda state: state.restarts >= 2, "it was started again twice")


def test_what_shall_never_run_again_keeps_its_exit_code(runtime):
    group = run(runtime, "exit 7", restartPolicy="Never")
    state = until(runtime, group, lambda state: state.state == "Terminated", "it has ended")
    assert (state.exit_code, state.restarts, state.detail) == (7, 0, "Error")


def test_a_program_that_is_not_there_ends_as_a_shell_says_it(runtime):
    body = group_body("none", container_body("only", ["no-such-program"]), restartPolicy="Never")
    runtime.start(body, NOWHERE)
    state = until(runtime, body["id"], lambda state: state.state == "Terminated", "it has ended")
    assert state.exit_code == 127
    assert "no-such-program" in runtime.logs(body["id"], "only", None)


def test_a_container_has_a_disk_of_its_own_anew_and_nothing_of_the_test_s_environment(runtime, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "of-the-tests")
    monkeypatch.setenv("FACEPROJECT_HOME", "/of-the-tests")
    command = 'mkdir "$FACEPROJECT_HOME" && env && echo "secret:$SECRET_KEY"'
    group = run(runtime, command, environmentVariables=[{"name": "TOKEN", "secureValue": "a-secret"}])
    until(runtime, group, lambda state: state.restarts >= 2, "it was started again")
    said = runtime.logs(group, "only", None)
    assert "File exists" not in said
    assert "of-the-tests" not in said
    assert "secret:\n" in said
    assert "TOKEN=a-secret\n" in said
    assert "EMBEDDED=false\n" in said


def test_a_container_that_does_not_answer_its_liveness_probe_is_killed_and_started_again(runtime):
    probe = {"exec": {"command": ["sh", "-c", "exit 1"]}, "periodSeconds": 1, "failureThreshold": 2}
    group = run(runtime, "exec sleep 600", livenessProbe=probe)
    state = until(runtime, group, lambda state: state.restarts >= 1, "it was started again")
    assert {"Unhealthy", "Killing"} <= {event["name"] for event in state.events}


def test_ports_open_when_the_group_is_ready_and_close_when_it_is_stopped(runtime, tmp_path):
    probe = {"exec": {"command": ["test", "-e", str(tmp_path / "ready")]}, "periodSeconds": 1}
    group = run(
        runtime,
        "exec redis-server --save ''",
        readinessProbe=probe,
        ports=[{"port": 6379}],
        ipAddress={"type": "Private", "ports": [{"port": 6379}]},
    )
    where = (runtime.address(group).ip, 6379)
    until(runtime, group, lambda state: state.state == "Running", "it runs")
    assert not _pings(where)
    (tmp_path / "ready").touch()
    wait_until(lambda: _pings(where), "it answers")
    runtime.stop(group)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, timeout=5)
    state = until(runtime, group, lambda state: state.state == "Terminated", "it has ended")
    assert (state.exit_code, state.restarts) == (0, 0)
    assert "Redis" in runtime.logs(group, "only", None)


def _pings(where: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(where, timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
    except OSError:
        return False


def test_two_groups_have_the_same_port_at_addresses_of_their_own(runtime):
    address = {"type": "Private", "ports": [{"port": 6379}]}
    groups = [
        run(runtime, "exec redis-server --save ''", name=name, ports=[{"port": 6379}], ipAddress=address)
        for name in ("one", "two")
    ]
    places = {runtime.address(group).ip for group in groups}
    assert len(places) == 2
    for place in places:
        wait_until(lambda place=place: _pings((place, 6379)), "it answers")


def test_an_image_that_no_registry_holds_never_runs_and_says_so(runtime, tmp_path):
    touched = tmp_path / "touched"
    lacking = container_body("lacking", ["true"], image="registry.example/faceproject:gone")
    other = container_body("other", ["touch", str(touched)])
    body = group_body("bad", lacking, other)
    runtime.start(
        body, Context(network=NOWHERE.network, images=frozenset(), registries=frozenset({"registry.example"}))
    )
    wait_until(lambda: runtime.states(body["id"])[0].events, "it says so")
    first, second = runtime.states(body["id"])
    assert (first.state, first.detail) == ("Waiting", "ImagePullBackOff")
    assert any("registry.example/faceproject:gone" in event["message"] for event in first.events)
    assert (second.state, second.events) == ("Waiting", ())
    assert not touched.exists()
    assert not runtime.is_ready(body["id"])


def test_what_was_started_ends_with_the_runtime_and_leaves_no_disk(tmp_path):
    folder = tmp_path / "runtime"
    with LocalProcesses(folder, Authority(tmp_path), shares=lambda account, name: None) as runtime:
        group = run(runtime, "sleep 600 & exec sleep 600")
        pid = wait_until(lambda: runtime.pid(group, "only"), "it runs")
        wait_until(lambda: len(_group_of(pid)) >= 2, "both run")
        members = _group_of(pid)
    assert not [each for each in members if is_there(each)]
    assert not (folder / "disks").exists()


def _group_of(pid: int) -> list[int]:
    """Processes of its process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            member = int(stat.parent.name)
            if os.getpgid(member) == pid:
                found.append(member)
        except (ProcessLookupError, FileNotFoundError):
            continue
    return found
