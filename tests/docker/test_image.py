"""The image is really built from the Dockerfile, and each role really started from it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.roles import ROLES
from tests import processes
from tests.conftest import REPOSITORY
from tests.docker.builder import IMAGE, Builder, NoBuilderError
from tests.processes import free_port, last_lines, wait_until
from tests.servers import RedisServer

pytestmark = [pytest.mark.heavy]
#: Of the Dockerfile: whom the image runs as.
USER = 10001
#: MB; it was 600 when this was written.
LARGEST_ENVIRONMENT = 700
#: Seconds that a busy machine may take to start a role.
STARTED = 300.0
FILES = ("requirements.txt", "requirements-cassandra.txt", "requirements-azure.txt")
PIN = re.compile(r"(?m)^([A-Za-z0-9][\w.-]*)(?:\[\w+\])?==(\S+)")


class Containers:
    """A container of the image; its volume /state has an installation on SQLite, which the roles share."""

    def __init__(self, builder: Builder, redis: RedisServer) -> None:
        self.builder = builder
        self.container = builder.container()
        self.environment = {
            "SECRET_KEY": "of-the-tests-" + "x" * 50,
            "ALLOWED_HOSTS": "localhost",
            "SCORER_TOKEN": "of-the-tests-" + "y" * 30,
            "REDIS_URL": redis.url,
            "PROBE_HOST": "127.0.0.1",
        }

    def command(self, *words: str, **environment: str) -> list[str]:
        """The image's entry point with these words, as its user."""
        entry = self.builder.configuration()["Entrypoint"]
        return self.shell(*entry, *words, **environment)

    def shell(self, *words: str, **environment: str) -> list[str]:
        """Any program of the image."""
        return self.builder.run_command(self.container, words, self.environment | environment)

    def says(self, *words: str) -> str:
        """What a program of the image prints."""
        done = subprocess.run(self.shell(*words), capture_output=True, text=True, timeout=STARTED, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    folder = tmp_path_factory.mktemp("image")
    try:
        made = Builder(folder)
        made.build()
    except NoBuilderError as error:
        pytest.skip(str(error))
    yield made
    made.do("rm", "--all")
    made.do("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def containers(builder: Builder, redis_server: RedisServer) -> Containers:
    """With the installation prepared by the role init, from the sample data in the image."""
    made = Containers(builder, redis_server)
    prepared = subprocess.run(
        made.command("init", INIT_SOURCE="/app/sample_data", PROBE_PORT=str(free_port())),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert prepared.returncode == 0, (prepared.stdout + prepared.stderr)[-4000:]
    assert "the installation is ready" in prepared.stdout + prepared.stderr
    return made


def answer(port: int, path: str) -> int:
    """The status; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://localhost:{port}{path}", timeout=10) as said:
            return int(said.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.mark.parametrize("name", sorted(set(ROLES) - {"init"}))
def test_a_role_of_the_image_gets_ready(containers: Containers, tmp_path: Path, name: str) -> None:
    port, probes, log = free_port(), free_port(), tmp_path / "log"
    started = processes.start(containers.command(name, PORT=str(port), PROBE_PORT=str(probes)), log=log)
    try:
        wait_until(
            lambda: started.poll() is not None or answer(probes, "/readyz") == 200,
            f"{name} is ready",
            seconds=STARTED,
            logs=lambda: last_lines(log),
        )
        assert started.poll() is None, last_lines(log)
        if ROLES[name].serves:
            assert answer(port, "/healthz") == 200
        asked = [name] if ROLES[name].serves else []
        healthy = containers.command("healthy", *asked, PORT=str(port), PROBE_PORT=str(probes))
        assert subprocess.run(healthy, capture_output=True, timeout=STARTED, check=False).returncode == 0
    finally:
        processes.end(started)


def test_init_prepared_as_the_image_s_own_user(containers: Containers) -> None:
    assert containers.says("stat", "--format=%u", "/state/faceproject.sqlite3").strip() == str(USER)
    assert containers.says("id", "-u").strip() == str(USER)


def test_a_health_check_fails_when_nobody_answers(containers: Containers) -> None:
    unheard = containers.command("healthy", PROBE_PORT=str(free_port()))
    assert subprocess.run(unheard, capture_output=True, timeout=STARTED, check=False).returncode != 0


def test_the_image_says_how_it_is_run(builder: Builder) -> None:
    said = builder.configuration()
    assert said["User"] == str(USER)
    assert said["Entrypoint"] == ["/app/docker/role"]
    assert said["Cmd"] == ["web"]
    assert said["Healthcheck"]["Test"] == ["CMD", "/app/docker/role", "healthy"]
    assert set(said["Volumes"]) == {"/state", "/cache", "/share"}
    assert not [one for one in said["Env"] if one.startswith(("SECRET_KEY=", "PIP_"))]


def test_the_image_has_no_tools_to_build_or_fetch_with(containers: Containers) -> None:
    for tool in ("gcc", "make", "pip", "git", "curl"):
        assert containers.says("sh", "-c", f"command -v {tool} || echo none").strip() == "none"
    assert containers.says("find", "/opt/venv", "-name", "pip", "-o", "-name", "cyclonedx*") == ""


def test_nothing_in_the_image_can_be_written_by_its_user(containers: Containers) -> None:
    writable = containers.says("sh", "-c", "find /app /opt /srv /usr -writable -not -type l")
    assert writable == ""
    for folder in ("/cache", "/share"):
        assert containers.says("sh", "-c", f"touch {folder}/tried && rm {folder}/tried") == ""


def test_the_environment_is_small(containers: Containers) -> None:
    megabytes, _ = containers.says("du", "--summarize", "--block-size=1M", "/opt/venv").split()
    assert int(megabytes) < LARGEST_ENVIRONMENT


def test_the_list_of_packages_has_what_is_pinned_and_nothing_of_the_build(containers: Containers) -> None:
    listed = json.loads(containers.says(*shlex.split("cat /app/sbom.json")))
    assert listed["bomFormat"] == "CycloneDX"
    found = {normal(part["name"]): part["version"] for part in listed["components"]}
    pins = {normal(name): version for file in FILES for name, version in PIN.findall((REPOSITORY / file).read_text())}
    assert len(pins) > 20
    assert {name: found.get(name) for name in pins} == pins
    assert not {"pip", "setuptools", "cyclonedx-bom", "pytest"} & set(found)
    installed = set(containers.says("sh", "-c", "ls -d /opt/venv/lib/python3*/site-packages/*.dist-info").split())
    assert len(installed) == len(found)


def test_the_list_can_be_printed_by_one_command(tmp_path: Path) -> None:
    """By docker, podman or what CONTAINER_TOOL names."""
    tool = tmp_path / "tool"
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)
    command = ["sh", REPOSITORY / "docker" / "sbom", IMAGE]
    environment = {"CONTAINER_TOOL": str(tool), "PATH": "/usr/bin:/bin"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"run --rm --entrypoint cat {IMAGE} /app/sbom.json"


def normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
