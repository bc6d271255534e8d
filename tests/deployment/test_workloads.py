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


def test_who_detects_faces_is_told_of_the_detector_that_takes_over() -> None:
    roles = ("web", "ingest-0", "init", "scorer")
    for fallback, told in (("", None), ("embedded", "embedded")):
        found = workloads(detector_fallback=fallback)
        assert [found[name].containers[0].environment.get("FACE_DETECTOR_FALLBACK") for name in roles] == [told] * 4


def test_caddy_serves_every_name_under_which_people_reach_the_web() -> None:
    places = Places(web_hosts=("faces.example.org", "faces.region.example"), redis_host="", cassandra={})
    description = parse({"name": "faces", "subscription": NO_SUBSCRIPTION, "location": "westeurope"})
    (web,) = [each for each in WorkloadBuilder(description, places, image="r/x:1").all() if each.role == "web"]
    shell, option, script = web.containers[1].command
    assert (shell, option) == ("sh", "-c")
    assert "\nfaces.example.org, faces.region.example {\n\treverse_proxy 127.0.0.1:8000\n}\n" in script
    assert workloads()["web"].containers[1].command[:3] == ("caddy", "reverse-proxy", "--from")


def test_no_secret_stands_in_an_environment() -> None:
    for each in workloads().values():
        for container in each.containers:
            assert set(container.environment).isdisjoint(container.secrets)
            assert not [name for name in container.environment if name.endswith(("PASSWORD", "_KEY", "TOKEN"))]
