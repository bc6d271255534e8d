"""docker/: the compose file is one, starts what exists, sets what is read, and holds no secret."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import environ
import pytest
import yaml

from orchestration.roles import ROLES
from tests.test_docs import READ

REPO = Path(__file__).resolve().parents[1]
DOCKER = REPO / "docker"
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name in ROLES}
#: Variables that a compose file is given, as `${NAME}`, `${NAME:-default}` or `${NAME:?message}`.
GIVEN = re.compile(r"(?<!\$)\$\{([A-Z_]+)(?::?([-?])[^}]*)?\}")


def test_the_compose_file_is_one_by_its_specification():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml"],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_role_is_a_service_that_starts_it():
    assert set(OURS) == set(ROLES)
    for name, service in OURS.items():
        assert service["command"] == [name]
        assert service["image"] == OURS["web"]["image"]


def test_what_services_set_is_read_by_the_settings():
    read = set(READ.findall((REPO / "faceproject" / "settings.py").read_text()))
    for name, service in OURS.items():
        unread = {variable for variable in service["environment"] if variable.removesuffix("_FILE") not in read}
        assert unread == set(), name


def test_secrets_come_from_files_that_one_command_makes(tmp_path: Path):
    (tmp_path / "make-secrets").write_text((DOCKER / "make-secrets").read_text())
    for _ in range(2):
        subprocess.run(["sh", tmp_path / "make-secrets"], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {f"./secrets/{name}" for name in made} == {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert len(made["secret_key"]) >= 50
    assert environ.Env.db_url_config(made["database_url"])["PASSWORD"] == made["postgres_password"]
    assert made["redis_password"] in made["redis_url"]
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    for service in SERVICES.values():
        files = [str(value) for key, value in service.get("environment", {}).items() if key.endswith("_FILE")]
        assert {f"/run/secrets/{name}" for name in service.get("secrets", [])} >= set(files)


def test_no_secret_stands_in_a_file_of_ours():
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY|_URL", name):
                assert name.endswith("_FILE"), name
                assert str(value).startswith("/run/secrets/")
    assert not re.search(r"(?m)^[A-Z_]*(PASSWORD|SECRET|TOKEN)", (DOCKER / ".env.example").read_text())
    ignored = (REPO / ".gitignore").read_text().splitlines()
    assert {"docker/secrets/", "docker/.env"} <= set(ignored)


def test_what_the_file_is_given_is_explained_and_has_a_default_or_is_asked_for():
    example = (DOCKER / ".env.example").read_text()
    text = (DOCKER / "compose.yaml").read_text()
    found = {match[1]: match[2] for match in GIVEN.finditer(text)}
    assert "ALLOWED_HOSTS" in found
    assert set(found.values()) <= {"-", "?"}
    assert {name for name in found if not re.search(rf"(?m)^#?{name}=", example)} == set()


def test_roles_wait_for_init_and_for_the_servers_they_need():
    for name, role in ROLES.items():
        waits = OURS[name]["depends_on"]
        if name == "init":
            assert set(waits) == {"postgres", "cassandra"}
        else:
            assert waits["init"] == {"condition": "service_completed_successfully"}
            assert ("redis" in waits) == role.needs_broker
        assert all("healthcheck" in SERVICES[server] for server in waits if server != "init")


def test_only_what_needs_the_broker_can_reach_it():
    reach = {name for name, service in SERVICES.items() if "broker" in service["networks"]} - {"redis"}
    assert reach == {name for name, role in ROLES.items() if role.needs_broker}
    assert COMPOSE["networks"]["broker"]["internal"]
    assert COMPOSE["networks"]["state"]["internal"]


def test_published_ports_are_on_this_machine_only_and_no_probe_s():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") and port.endswith(":8000") for port in published)


def test_every_service_is_started_again_and_says_how_it_is():
    for name, service in SERVICES.items():
        assert service["restart"] == ("no" if name == "init" else "unless-stopped")
        assert name == "init" or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_volumes_and_images_are_named():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith("$"), name
        if name not in OURS:
            assert re.fullmatch(r"docker\.io/library/[a-z]+:[\d.]+", service["image"])


# ---- the image -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(ROLES))
def test_the_image_s_entry_point_starts_every_role(name: str, tmp_path: Path):
    """`python` is one that only says what it was asked for."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "$@"\n')
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    said = subprocess.run(
        ["sh", DOCKER / "role", name], env={"PATH": path, "PORT": "8123"}, capture_output=True, text=True, check=True
    )
    address = " --host 0.0.0.0 --port 8123" if ROLES[name].serves else ""
    assert said.stdout.strip() == f"manage.py role {name}{address}"


def test_the_image_has_everything_that_is_copied_and_what_it_needs_is_not_ignored():
    copied = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", (DOCKER / "Dockerfile").read_text())
    kept = {line[1:] for line in (REPO / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source in (word for line in copied for word in line.split()):
        assert (REPO / source).exists()
        assert source in kept


def test_the_image_has_the_sample_data_that_an_empty_installation_offers():
    assert re.search(r"(?m)^COPY sample_data /app/sample_data$", (DOCKER / "Dockerfile").read_text())


def test_what_the_image_sets_is_read_by_the_settings():
    read = set(READ.findall((REPO / "faceproject" / "settings.py").read_text()))
    text = (DOCKER / "Dockerfile").read_text()
    line = next(line for line in text.splitlines() if line.startswith("ENV EMBEDDED"))
    assert {pair.partition("=")[0] for pair in line.split()[1:]} <= read
