"""The whole chain by the commands, from nothing to pages that answer and back: what is deployed runs, as processes."""

from __future__ import annotations

import json
import ssl
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orchestration.azure.catalogue.services import KEYSPACE, SIDE_KEYSPACE
from orchestration.azure.secret_book import GENERATED
from tests.azure_double.double import AzureDouble
from tests.azure_double.files import FilesDouble
from tests.azure_double.gates import admit, cosmos_front
from tests.azure_double.https import Authority
from tests.azure_double.processes import LocalProcesses
from tests.azure_double.world import Login
from tests.conftest import REPOSITORY
from tests.processes import watched_command_lines

GROUPS = "Microsoft.ContainerInstance/containerGroups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A subscription whose containers run here."""

    double: AzureDouble
    runtime: LocalProcesses
    files: FilesDouble
    config: Path

    def command(self, name: str, **options: Any) -> tuple[int, Any]:
        """Exit code and answer of `manage.py NAME --json`."""
        out = StringIO()
        code = 0
        try:
            call_command(name, config=self.config, json=True, stdout=out, **options)
        except SystemExit as ended:
            code = int(ended.code or 0)
        except CommandError as refused:
            return refused.returncode, str(refused)
        return code, json.loads(out.getvalue())

    def ids(self, role: str) -> set[str]:
        return {each.id for each in self.double.resources.of_type(GROUPS) if f"-{role}" in each.name}

    def registries(self) -> set[str]:
        """That groups pull from."""
        groups = self.double.resources.of_type(GROUPS)
        containers = [container for group in groups for container in group.properties["containers"]]
        return {container["properties"]["image"].partition("/")[0] for container in containers}

    def answers(self, url: str) -> str:
        trust = ssl.create_default_context(cafile=self.double.authority.bundle)
        with urllib.request.urlopen(url, timeout=120, context=trust) as answer:
            return str(answer.read().decode())


@pytest.fixture
def cloud(
    azure_specs: Path,
    tmp_path: Path,
    cassandra_server: Any,
    cassandra_driver: Any,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> Iterator[Cloud]:
    """Nothing is in it but a description. Cosmos is the tests' own node behind TLS."""
    account, key = f"faces-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    admit(cassandra_driver, account, key)
    authority = Authority(tmp_path)
    node = (cassandra_server.contact_points, cassandra_server.port)
    settings.FACEPROJECT_HOME = tmp_path / "home"
    config = tmp_path / "deployment.toml"
    config.write_text(
        f'name = "faces"\nsubscription = "{AzureDouble.subscription}"\nlocation = "westeurope"\nimage = ""\n'
        f'users = "bootstrap"\ndetector = "embedded"\ndata = "{REPOSITORY / "sample_data"}"\n'
        f'names.cassandra = "{account}"\n'
    )
    try:
        with ExitStack() as stack:
            files = stack.enter_context(FilesDouble(tmp_path / "files", authority))
            front = stack.enter_context(cosmos_front(authority, tmp_path, node))
            runtime = stack.enter_context(
                LocalProcesses(
                    tmp_path / "runtime",
                    authority,
                    shares=lambda account, name: files.folder / name,
                )
            )
            cassandra = Login(host=front.host, port=front.port, username=account, password=key)
            double = stack.enter_context(
                AzureDouble(tmp_path, runtime=runtime, authority=authority, files=files, cassandra=cassandra)
            )
            for name, value in (double.environment | {"AZURE_POLL_SECONDS": "0.5"}).items():
                monkeypatch.setenv(name, value)
            yield Cloud(double=double, runtime=runtime, files=files, config=config)
    finally:
        for keyspace in (KEYSPACE, SIDE_KEYSPACE):
            cassandra_driver.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout=120)
        cassandra_driver.execute(f'DROP ROLE IF EXISTS "{account}"', timeout=60)


@pytest.mark.heavy
@pytest.mark.kill
def test_the_whole_chain(cloud: Cloud, cassandra_driver: Any) -> None:
    secrets: set[str] = set()
    with watched_command_lines() as seen:
        _whole_chain(cloud, secrets, cassandra_driver)
    assert any("redis-server" in line for line in seen) and any("gunicorn" in line for line in seen)
    assert len(secrets) >= len(GENERATED)
    for secret in secrets:
        assert not [line.split(" ")[0] for line in seen if secret.split("://")[-1] in line]


def _create_tables_as_cosmos_would(cloud: Cloud, driver: Any) -> None:
    """Tell the double of each table that `init` made on the node; it refuses those that have no room."""
    keyspaces = cloud.double.resources.of_type("Microsoft.DocumentDB/databaseAccounts/cassandraKeyspaces")
    asked = driver.prepare("SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?")
    for keyspace in keyspaces:
        made = [row.table_name for row in driver.execute(asked, [keyspace.name])]
        assert made
        for table in made:
            cloud.double.cassandra_table(keyspace.id, table, shared=True)


def _whole_chain(cloud: Cloud, secrets: set[str], driver: Any) -> None:
    code, plan = cloud.command("provision")
    assert (code, plan["problems"]) == (2, [])
    assert {step["change"] for step in plan["steps"]} == {"create"}

    code, done = cloud.command("provision", apply=True, yes=True)
    assert code == 0, done
    assert "admin-password" in done["password"]
    assert cloud.answers(f"{done['url']}healthz")
    assert "Sign in" in cloud.answers(f"{done['url']}sign-in/")
    kept = cloud.files.folder / "faceproject" / "media"
    pictures = [path for path in (kept / "originals").rglob("*") if path.is_file()]
    assert len(pictures) == sum(1 for _ in (REPOSITORY / "sample_data").rglob("*.jpg"))
    assert any(path.is_file() for path in (kept / "artefacts").rglob("*"))

    _create_tables_as_cosmos_would(cloud, driver)
    assert len(cloud.double.imports) == 2
    assert len(cloud.registries()) == 1
    code, status = cloud.command("status", logs=3)
    assert code == 0, status
    assert status["healthy"]
    assert any("init terminated with 0" in row["detail"] for row in status["rows"])
    code, again = cloud.command("provision")
    assert (code, [step for step in again["steps"] if step["change"] != "unchanged"]) == (0, [])

    secrets |= cloud.double.secrets()
    before = {role: cloud.ids(role) for role in ("web", "dispatcher", "trainer")}
    for number in (4, 2):
        code, scaled = cloud.command("deploy", scale=[f"ingest={number}"])
        assert code == 0, scaled
        assert {step["key"].split("-")[0] for step in scaled["done"]} == {"group:ingest"}
        assert len(cloud.ids("ingest")) == number
    assert {role: cloud.ids(role) for role in before} == before

    code, refused = cloud.command("deploy", image="registry.example.org/faceproject:none", scale=["ingest=2"])
    assert code == 1
    assert "was put back" in refused
    assert cloud.answers(f"{done['url']}healthz")
    code, back = cloud.command("deploy", scale=["ingest=2"])
    assert (code, {step["key"] for step in back["done"]}) == (0, {"group:redis"})  # it had gone with --image
    assert cloud.command("provision", scale=["ingest=2"])[0] == 0

    code, gone = cloud.command("destroy", yes=True)
    assert code == 0, gone
    assert cloud.double.resources.all() == []
    assert cloud.double.violations == []
