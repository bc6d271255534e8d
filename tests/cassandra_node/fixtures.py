"""Fixtures that give tests a keyspace of their own on a real node; see tests/cassandra_node/node.py."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cassandra_node.node import PASSWORD, USER, NoNodeError, start

try:
    from cassandra.cluster import Cluster

    from personas.store.cassandra.adapter import CassandraStore
    from personas.store.cassandra.options import database
    from personas.store.cassandra.schema import Schema
    from personas.store.cassandra.session import StoreSession, add_profiles
except ModuleNotFoundError:
    Cluster = None

#: What is chosen when the store is created stays.
KEPT = {"layout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a node is, as the product's environment says it."""

    contact_points: str
    port: int
    username: str
    password: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CASSANDRA_CONTACT_POINTS": self.contact_points,
            "CASSANDRA_PORT": str(self.port),
            "CASSANDRA_USERNAME": self.username,
            "CASSANDRA_PASSWORD": self.password,
        }


@pytest.fixture(scope="session")
def cassandra_server() -> Iterator[Server]:
    """The node CASSANDRA_CONTACT_POINTS names, else, with TEST_CASSANDRA=1, one of this run's own."""
    if Cluster is None:
        pytest.skip("no Cassandra driver: pip install -r requirements-cassandra.txt")
    if given := os.environ.get("CASSANDRA_CONTACT_POINTS"):
        yield Server(
            contact_points=given,
            port=int(os.environ.get("CASSANDRA_PORT") or 9042),
            username=os.environ.get("CASSANDRA_USERNAME", USER),
            password=os.environ.get("CASSANDRA_PASSWORD", PASSWORD),
        )
        return
    with tempfile.TemporaryDirectory(prefix="cassandra-", ignore_cleanup_errors=True) as folder:
        try:
            node = start(Path(folder))
        except NoNodeError as error:
            pytest.skip(f"no Cassandra node: {error}")
        try:
            yield Server(contact_points="127.0.0.1", port=node.port, username=USER, password=PASSWORD)
        finally:
            node.stop()


@pytest.fixture(scope="session")
def cassandra_driver(cassandra_server: Server) -> Iterator[Any]:
    """The driver's session, made from the options the product uses."""
    alias = database(
        contact_points=cassandra_server.contact_points.split(","),
        keyspace="unused",
        port=cassandra_server.port,
        username=cassandra_server.username,
        password=cassandra_server.password,
    )
    options = alias["OPTIONS"]["connection"]
    options.pop("lazy_connect")
    from cassandra.auth import PlainTextAuthProvider

    provider = PlainTextAuthProvider(cassandra_server.username, cassandra_server.password)
    cluster = Cluster(alias["HOST"].split(","), auth_provider=provider, **options)
    driver = cluster.connect()
    add_profiles(driver)
    yield driver
    cluster.shutdown()


@pytest.fixture(scope="session")
def cassandra_session(cassandra_driver: Any) -> Iterator[StoreSession]:
    """A keyspace of this run's own."""
    session = StoreSession(keyspace=f"test_{uuid.uuid4().hex[:12]}", connect=lambda: cassandra_driver)
    schema = Schema(session)
    schema.create_keyspace()
    schema.migrate()
    yield session
    schema.drop_keyspace()


@pytest.fixture
def cassandra_store(cassandra_session: StoreSession) -> Iterator[CassandraStore]:
    """A store that is empty at the start of each test: what the test wrote to is truncated."""
    yield CassandraStore(cassandra_session, n_buckets=64)
    tables = sorted(cassandra_session.written - KEPT)
    cassandra_session.written.clear()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda table: truncate(cassandra_session, table), tables))


def truncate(session: StoreSession, table: str) -> None:
    session.driver.execute(f"TRUNCATE {session.keyspace}.{table}", timeout=60)
