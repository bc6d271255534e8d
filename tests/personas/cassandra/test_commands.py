"""The store's commands as processes on a node: as the settings say, and killed in the middle."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cassandra", reason="no Cassandra driver: pip install -r requirements-cassandra.txt")

from django.core.management import call_command

from personas.entities import INGEST, LABELS, Job, JobStatus, RankedFace, RankedKind, Share, ShareStatus, Verdict
from personas.state_hash import state_hash
from personas.store.base import Store, StoreError
from personas.store.cassandra import statements as cql
from personas.store.cassandra.adapter import CassandraStore
from personas.store.cassandra.schema import LockedError, Schema, migrations
from personas.store.cassandra.session import StoreSession
from personas.store.sql.adapter import SqlStore
from tests import factories as make
from tests.cassandra_node.node import Server, free_ports
from tests.conftest import REPOSITORY

#: Seconds that guard waiting.
PATIENCE = 180


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(REPOSITORY / "manage.py"), *arguments]


def manage(environment: dict[str, str], *arguments: str) -> str:
    run = subprocess.run(command(*arguments), env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def kill_when(condition: Callable[[], bool], environment: dict[str, str], *arguments: str) -> None:
    """Runs a command and kills it as soon as the condition holds, which it must before the command ends."""
    process = subprocess.Popen(
        command(*arguments), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        give_up_at = time.monotonic() + PATIENCE
        while not condition():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < give_up_at
            time.sleep(0.005)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture
def keyspace(cassandra_driver: Any) -> Iterator[str]:
    """The name of one that is not there yet."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    cassandra_driver.execute(f"DROP KEYSPACE IF EXISTS {name}", timeout=60)


@pytest.fixture
def environment(cassandra_server: Server, keyspace: str, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": "",
        "PYTHONPATH": str(REPOSITORY),
        "FACEPROJECT_HOME": str(tmp_path),
        "STATE_STORE": "cassandra",
        "CASSANDRA_KEYSPACE": keyspace,
        **cassandra_server.environment,
    }


#: A child of a process that is connected, as web servers and workers make them.
FORKED = """
import os, sys
from personas.store import get_store
store = get_store()
store.head("labels")
child = os.fork()
if not child:
    print("child", store.head("labels"), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print("parent", store.head("labels"), flush=True)
"""


#: A process that finds the cluster away, and then back.
AWAY_AND_BACK = """
from django.db import close_old_connections, connections
from personas.errors import TransientError
from personas.store import get_store
options = connections.settings["cassandra"]["OPTIONS"]["connection"]
port, options["port"] = options["port"], PORT
for _ in range(3):
    try:
        print(get_store().head("labels"))
    except TransientError as error:
        print("away")
        options["port"] = port
    close_old_connections()
"""


def test_a_process_that_found_the_cluster_away_goes_on_when_it_is_back(environment: dict[str, str]) -> None:
    manage(environment, "migrate_store")
    closed, _ = free_ports()
    script = AWAY_AND_BACK.replace("PORT", str(closed))
    assert manage(environment, "shell", "-v0", "-c", script).split() == ["away", "0", "0"]


def test_commands_run_on_the_alias_of_the_settings(environment: dict[str, str]) -> None:
    environment["CASSANDRA_REPLICATION"] = "datacenter1:1"
    assert "Applied 0001_initial" in manage(environment, "migrate_store")
    manage(environment, "add_persona", "Ann Example")
    assert manage(environment, "shell", "-v0", "-c", FORKED).split() == ["child", "1", "parent", "1"]


def test_check_store_tells_the_latency_of_every_statement(environment: dict[str, str]) -> None:
    said = json.loads(manage(environment, "check_store", "--rounds", "2", "--json"))
    assert said["unused"] == []
    assert all(0 < one["p50_ms"] <= one["p99_ms"] for one in said["statements"].values())


@pytest.mark.kill
def test_a_migration_that_was_killed_is_completed_by_the_next(
    environment: dict[str, str], keyspace: str, cassandra_driver: Any
) -> None:
    session = StoreSession(keyspace=keyspace, connect=lambda: cassandra_driver)
    tables = cassandra_driver.prepare("SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?")

    def n_tables() -> int:
        return len(list(cassandra_driver.execute(tables, [keyspace])))

    kill_when(lambda: n_tables() > 5, environment, "migrate_store")
    killed_at = n_tables()
    with pytest.raises(LockedError, match="120 seconds"):
        Schema(session).migrate()
    past = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 10**6)
    cassandra_driver.execute(
        f"UPDATE {keyspace}.schema_lock SET until = {past} WHERE name = 'schema' IF until > 0", timeout=60
    )
    assert "0001_initial" in manage(environment, "migrate_store", "--plan")
    assert "Applied 0001_initial" in manage(environment, "migrate_store")
    assert Schema(session).pending() == []
    assert n_tables() > killed_at
    assert Schema(session).migrate() == []
    assert len(migrations()) > 1
    with pytest.raises(StoreError, match="is no replication"):
        Schema(session).create_keyspace("many")


# ---- copying ---------------------------------------------------------------------------------------------------------


def fill(store: Store, batches: int) -> None:
    for number in range(batches):
        make.save(store, make.extracted(f"{number}/a", faces=2), make.extracted(f"{number}/b", faces=0))
    make.add_personas(store, "Ann", "Bob")
    for number in range(batches):
        make.label(store, "ann", make.key(f"{number}/a", 0))
        make.label(store, "bob", make.key(f"{number}/a", number % 2))
    make.label(store, "ann", make.key("0/a", 1), verdict=Verdict.REJECTED)
    store.add_model_version(make.model_version(scored_through=batches))
    ranked = [RankedFace(make.key(f"{n}/a"), n / batches) for n in range(batches)]
    store.put_ranked(1, RankedKind.PREDICTED, {"ann": ranked})
    store.add_fresh(1, {"bob": ranked[:3]}, scored_through=batches)
    store.switch_champion(1, expected_revision=0, actor="zoe", at=make.NOW)
    share = Share(job_id="job", number=0, status=ShareStatus.DONE, updated_at=make.NOW, total=1)
    store.put_shares([share])
    store.put_job(
        Job(
            job_id="job",
            kind="ingest",
            status=JobStatus.DONE,
            created_at=make.NOW,
            updated_at=make.NOW,
            actor="zoe",
        )
    )


@pytest.mark.kill
@pytest.mark.django_db(transaction=True)
def test_a_copy_that_was_killed_goes_on_when_started_again(
    cassandra_store: CassandraStore, cassandra_server: Server, child_environment: dict[str, str]
) -> None:
    environment = {
        **child_environment,
        **cassandra_server.environment,
        "STORES": "sql,cassandra",
        "CASSANDRA_KEYSPACE": cassandra_store._session.keyspace,
    }
    sql, batches = SqlStore(n_buckets=64), 40
    fill(sql, batches)
    cassandra_store._session.written.update(tables_of_a_copy())
    there = "copy_store", "--from", "sql", "--to", "cassandra"
    kill_when(lambda: cassandra_store.head(LABELS) > 5, environment, *there)
    assert cassandra_store.head(LABELS) < sql.head(LABELS)
    assert "hash to" in manage(environment, *there)
    hashed = state_hash(sql)
    assert state_hash(cassandra_store) == hashed
    assert cassandra_store.shares("job") == sql.shares("job")

    call_command("flush", interactive=False, verbosity=0)
    assert sql.head(INGEST) == 0
    back = "copy_store", "--from", "cassandra", "--to", "sql"
    kill_when(lambda: events_in(environment) > 5, environment, *back)
    assert "hash to" in manage(environment, *back)
    assert state_hash(sql) == hashed
    champion = sql.champion()
    assert champion is not None
    assert champion.version == 1


def events_in(environment: dict[str, str]) -> int:
    path = environment["DATABASE_URL"].removeprefix("sqlite:///")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60) as connection:
        return int(connection.execute("SELECT count(*) FROM store_event").fetchone()[0])


def tables_of_a_copy() -> Iterator[str]:
    """Other processes write to them, so they are emptied after the test though its own session did not."""
    for statement in cql.ALL.values():
        if not statement.reads:
            yield statement.table
