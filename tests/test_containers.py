"""docker/: the compose file is what the description gives, starts what exists, sets what is read, holds no secret."""

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

from orchestration.deployment import compose
from orchestration.deployment.description import Description, load, parse
from orchestration.roles import ROLES
from tests.test_docs import READ

REPO = Path(__file__).resolve().parents[1]
DOCKER = REPO / "docker"
DESCRIPTION = load(DOCKER / "deployment.toml")
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name in ROLES}


def described(**said: Any) -> Description:
    return parse(
        {"name": "faces", "subscription": DESCRIPTION.subscription, "location": "here", "detector": "embedded", **said}
    )


def services(**said: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(compose.render(described(**said))[compose.FILE])["services"]
    return found


def test_the_compose_file_is_what_its_description_gives():
    """Else: manage.py deploy --target compose --config docker/deployment.toml --render --output docker"""
    assert compose.render(DESCRIPTION)[compose.FILE] == (DOCKER / "compose.yaml").read_text()


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"users": "bootstrap", "hostname": "faces.example.org", "scale": {"ingest": 3}},
        {"detector": "azure", "image": "registry.example.org/faces:1", "data": ""},
    ],
)
def test_a_compose_file_is_one_by_its_specification(tmp_path: Path, said: dict[str, Any]):
    file = tmp_path / "compose.yaml"
    file.write_text(compose.render(described(**said))[compose.FILE])
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", file],
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
    assert len(made["secret-key"]) >= 50
    assert environ.Env.db_url_config(made["database-url"])["PASSWORD"] == made["postgres-password"]
    assert made["redis-password"] in made["redis-url"]
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
    assert {"docker/secrets/", "deployed/"} <= set((REPO / ".gitignore").read_text().splitlines())


def test_compose_puts_nothing_in_where_a_shell_is_to():
    """`$NAME` would be one of whoever calls Compose."""
    text = (DOCKER / "compose.yaml").read_text()
    assert "$$REDIS_PASSWORD" in text
    assert re.sub(r"\$\$", "", text).count("$") == 0


def test_redis_reads_its_password_before_it_starts_and_before_it_is_asked(tmp_path: Path):
    password = tmp_path / "redis-password"
    password.write_text("of-the-test")
    fake = tmp_path / "redis-server"
    fake.write_text('#!/bin/sh\necho "$@"; cat\n')
    fake.chmod(0o755)
    shell, option, script = SERVICES["redis"]["entrypoint"]
    script = script.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    path = f"{tmp_path}:{os.environ['PATH']}"
    said = subprocess.run([shell, option, script], env={"PATH": path}, capture_output=True, text=True, check=True)
    arguments, configuration = said.stdout.split("\n", 1)
    assert configuration == 'requirepass "of-the-test"\n'
    assert "of-the-test" not in arguments and arguments.endswith(" -")
    assert "/run/secrets/redis-password" in SERVICES["redis"]["healthcheck"]["test"][-1]


def test_roles_wait_for_init_and_for_the_servers_they_need():
    for name, role in ROLES.items():
        waits = OURS[name]["depends_on"]
        if name == "init":
            assert waits == {server: {"condition": "service_healthy"} for server in ("cassandra", "postgres")}
        else:
            assert waits["init"] == {"condition": "service_completed_successfully"}
            assert ("redis" in waits) == role.needs_broker
        assert all("healthcheck" in SERVICES[server] for server in waits if server != "init")


def test_only_what_needs_the_broker_can_reach_it():
    reach = {name for name, service in SERVICES.items() if "broker" in service.get("networks", [])} - {"redis"}
    assert reach == {name for name, role in ROLES.items() if role.needs_broker}
    assert COMPOSE["networks"]["broker"]["internal"]
    assert COMPOSE["networks"]["state"]["internal"]


def test_what_stands_beside_a_container_shares_its_network_and_may_open_low_ports():
    caddy, web = SERVICES["caddy"], SERVICES["web"]
    assert caddy["network_mode"] == "service:web"
    assert "networks" not in caddy
    assert caddy["cap_add"] == ["NET_BIND_SERVICE"]
    assert web["sysctls"]["net.ipv4.ip_unprivileged_port_start"] == 0


def test_ports_are_this_machine_s_unless_the_web_has_a_name_and_none_is_a_probe_s():
    here = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(here) == ["127.0.0.1:443:443", "127.0.0.1:8001:8000", "127.0.0.1:80:80"]
    named = services(hostname="faces.example.org")
    assert named["web"]["ports"] == ["80:80", "443:443"]
    assert named["scorer"]["ports"] == ["127.0.0.1:8001:8000"]


def test_a_machine_without_a_name_is_not_told_to_insist_on_tls():
    assert SERVICES["web"]["environment"]["SECURE_HSTS_SECONDS"] == "0"
    assert "SECURE_HSTS_SECONDS" not in services(hostname="faces.example.org")["web"]["environment"]


def test_every_service_is_started_again_says_how_it_is_and_has_limits():
    for name, service in SERVICES.items():
        assert service["restart"] == ("no" if name == "init" else "unless-stopped")
        assert name in {"init", "caddy"} or service["healthcheck"]["test"][0] == "CMD"
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


def test_no_service_is_root_or_may_become_more():
    for name, service in SERVICES.items():
        assert service["user"] not in {"0", "root"}, name
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert name == "cassandra" or service["read_only"]


def test_the_grace_of_roles_is_shorter_than_that_of_their_containers():
    for service in OURS.values():
        assert int(service["environment"]["STOP_GRACE_SECONDS"]) < int(service["stop_grace_period"].rstrip("s"))


def test_volumes_and_images_are_named():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith(".."), name
        if name not in OURS:
            assert re.fullmatch(r"docker\.io/library/[a-z]+:[\d.]+", service["image"])


def test_without_a_database_for_users_there_is_no_postgresql_and_no_address_of_one():
    found = services(users="bootstrap")
    assert "postgres" not in found
    assert not any("DATABASE_URL_FILE" in service.get("environment", {}) for service in found.values())
    assert "ADMIN_PASSWORD_FILE" in found["web"]["environment"]


def test_azure_s_detector_is_asked_by_whom_a_network_leads_outside():
    for name, service in services(detector="azure").items():
        if "AZURE_FACE_ENDPOINT" in service.get("environment", {}):
            assert "edge" in service["networks"], name
            assert service["environment"]["AZURE_FACE_KEY_FILE"] == "/run/secrets/face-key"


def test_the_image_is_built_on_the_base_that_is_given():
    built = services(image={"base": "registry.example.org/debian:12"})["init"]["build"]
    assert built["args"] == {"BASE_IMAGE": "registry.example.org/debian:12"}
    assert "ARG BASE_IMAGE=" in (DOCKER / built["dockerfile"].removeprefix("docker/")).read_text()


def test_an_image_that_is_given_is_not_built_and_a_scale_is_kept():
    found = services(image="registry.example.org/faces:1", scale={"ingest": 3})
    assert found["web"]["image"] == "registry.example.org/faces:1"
    assert not any("build" in service for service in found.values())
    assert found["ingest-worker"]["deploy"]["replicas"] == 3


# ---- the image -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", sorted(ROLES))
def test_the_image_s_entry_point_starts_every_role(name: str, tmp_path: Path):
    """`python` is one that only says what it was asked for."""
    fake = tmp_path / "python"
    fake.write_text('#!/bin/sh\necho "$@"; cat\n')
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
