"""Which containers run, and who may know what."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.deployment.description import NO_SUBSCRIPTION, parse
from orchestration.deployment.workloads import Places, Workload, WorkloadBuilder
from orchestration.roles import ROLES


def workloads(**said: Any) -> dict[str, Workload]:
    description = parse({"name": "faces", "subscription": NO_SUBSCRIPTION, "location": "westeurope", **said})
    places = Places(
        web_hosts=("faces.example.org",),
        redis_host="10.0.0.4",
        cassandra={"CASSANDRA_CONTACT_POINTS": "c.example.org"},
        cassandra_password=True,
        face_endpoint="https://face.example.org/",
    )
    return {each.name: each for each in WorkloadBuilder(description, places, image="r/x:1").all()}


def test_every_role_runs_as_often_as_was_said() -> None:
    found = workloads(scale={"ingest": 3, "trainer": 2})
    assert {each.role for each in found.values()} == {*ROLES, "redis"}
    assert [name for name in found if name.startswith("ingest")] == ["ingest-0", "ingest-1", "ingest-2"]
    assert [name for name in found if name.startswith("trainer")] == ["trainer-0", "trainer-1"]


def test_the_web_never_hears_of_redis() -> None:
    for container in workloads()["web"].containers:
        assert not [name for name in (*container.environment, *container.secrets) if "REDIS" in name]


def test_workers_hear_nothing_of_users() -> None:
    for name in ("ingest-0", "trainer-0", "dispatcher", "scorer"):
        container = workloads()[name].containers[0]
        assert {"DATABASE_URL", "ADMIN_PASSWORD"}.isdisjoint(container.secrets)


def test_what_comes_later_needs_what_comes_before() -> None:
    seen: set[str] = set()
    for name, each in workloads().items():
        assert seen.issuperset(each.needs), name
        seen.add(name)


@pytest.mark.parametrize(("users", "secret"), [("postgresql", "DATABASE_URL"), ("bootstrap", "ADMIN_PASSWORD")])
def test_users_are_kept_as_was_said(users: str, secret: str) -> None:
    web = workloads(users=users)["web"].containers[0]
    assert {"DATABASE_URL", "ADMIN_PASSWORD"}.intersection(web.secrets) == {secret}
    assert web.environment["USERS"] == users


def test_only_who_detects_faces_knows_the_key() -> None:
    knowing = {name for name, each in workloads().items() if "AZURE_FACE_KEY" in each.containers[0].secrets}
    assert knowing == {"ingest-0", "web", "scorer", "init"}
    assert not any("AZURE_FACE_KEY" in e.containers[0].secrets for e in workloads(detector="embedded").values())


def test_no_secret_stands_in_an_environment() -> None:
    for each in workloads().values():
        for container in each.containers:
            assert set(container.environment).isdisjoint(container.secrets)
            assert not [name for name in container.environment if name.endswith(("PASSWORD", "_KEY", "TOKEN"))]
