"""Clusters that are away, refuse, or come back; certificates."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cassandra", reason="no Cassandra driver: pip install -r requirements-cassandra.txt")

from personas.entities import LABELS
from personas.errors import TransientError
from personas.store.base import StoreError
from personas.store.cassandra.adapter import CassandraStore
from personas.store.cassandra.failures import translating
from personas.store.cassandra.schema import Schema
from personas.store.cassandra.session import StoreSession
from tests import factories as make
from tests.cassandra_node.fixtures import connected
from tests.cassandra_node.node import Node, Server, free_ports
from tests.conftest import REPOSITORY

#: Seconds to wait for what comes back by itself.
PATIENCE = 180


def try_until_done(action: Any) -> Any:
    give_up_at = time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except TransientError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)


@pytest.mark.kill
def test_a_process_goes_on_when_its_node_was_killed_and_has_come_back(own_cassandra_node: Node) -> None:
    node = own_cassandra_node
    place = f"127.0.0.1:{node.port}"
    with connected(node.server) as driver:
        session = StoreSession(keyspace=f"killed_{uuid.uuid4().hex[:8]}", where=place, connect=lambda: driver)
        Schema(session).create_keyspace()
        Schema(session).migrate()
        store = CassandraStore(session, n_buckets=64)
        make.add_personas(store, "Ann")
        make.label(store, "ann", make.key("a"))
        node.kill()
        added, labelled = make.persona_added("bob", "Bob"), make.labelled("bob", [make.key("b")])
        with pytest.raises(TransientError, match=place):
            store.record(LABELS, [added])
        node.launch()
        for event in (added, labelled):  # sent again as they are: one that got through unseen is not doubled
            try_until_done(lambda event=event: store.record(LABELS, [event]))
        assert [persona.name for persona in store.personas().items] == ["Ann", "Bob"]
        assert store.label_counts(["ann", "bob"]) == {"ann": (1, 0), "bob": (1, 0)}
        assert [event.seq for event in store.events(LABELS, after=0)] == [1, 2, 3, 4]


def test_a_certificate_is_asked_for_and_checked(cassandra_server: Server, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    try:
        authority.write_text(ssl.get_server_certificate((cassandra_server.contact_points, cassandra_server.port)))
    except (ssl.SSLError, OSError) as error:
        pytest.skip(f"the node that CASSANDRA_CONTACT_POINTS names speaks no TLS: {error}")
    with connected(cassandra_server, tls=True, tls_ca=str(authority)) as driver:
        assert driver.execute("SELECT cluster_name FROM system.local").one()
    with connected(cassandra_server, tls=True, tls_ca=str(authority), tls_hostname="localhost") as driver:
        assert driver.execute("SELECT cluster_name FROM system.local").one()
    for options, said in (
        ({}, "CASSANDRA_TLS_CA"),
        ({"tls_ca": str(authority), "tls_hostname": "elsewhere.example"}, "CASSANDRA_TLS_HOSTNAME"),
    ):
        with (
            pytest.raises(StoreError, match=said),
            translating("here"),
            connected(cassandra_server, tls=True, **options),
        ):
            pass


def test_a_wrong_password_is_no_reason_to_try_again(cassandra_server: Server) -> None:
    with (
        pytest.raises(StoreError, match=r"Cassandra at here refuses .* CASSANDRA_PASSWORD"),
        translating("here"),
        connected(replace(cassandra_server, password="another")),
    ):
        pass


def test_a_file_that_is_no_authority_is_named(tmp_path: Path) -> None:
    from personas.store.cassandra.options import database

    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(ValueError, match=rf"CASSANDRA_TLS_CA=.*{name}"):
            database(contact_points=["h"], keyspace="k", tls=True, tls_ca=str(tmp_path / name))


#: A process that finds nobody, twice, with what Django does between two requests.
TWICE = """
from django.db import close_old_connections
from personas.errors import TransientError
from personas.store import get_store
for _ in range(2):
    try:
        get_store().head("labels")
    except TransientError as error:
        print(error)
    close_old_connections()
"""


def test_a_cluster_that_is_away_at_the_start_is_named_in_one_sentence(tmp_path: Path) -> None:
    port, _ = free_ports()
    environment = {
        "PATH": "",
        "PYTHONPATH": str(REPOSITORY),
        "FACEPROJECT_HOME": str(tmp_path),
        "STATE_STORE": "cassandra",
        "CASSANDRA_CONTACT_POINTS": "127.0.0.1",
        "CASSANDRA_PORT": str(port),
        "CASSANDRA_CONNECT_TIMEOUT": "5",
    }

    def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(REPOSITORY / "manage.py"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    ran = manage("migrate_store")
    assert ran.returncode == 1
    assert f"Cassandra at 127.0.0.1:{port} cannot be reached" in ran.stderr
    assert "Traceback" not in ran.stderr
    ran = manage("shell", "-v0", "-c", TWICE)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("cannot be reached") == 2
