"""Fixtures that give tests a keyspace of their own on a real node; see tests/cassandra_node/node.py."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cassandra_node.keeper import Keeper
from tests.cassandra_node.node import PASSWORD, USER, Node, NoNodeError, Server, start
from tests.cassandra_node.watching import Sent

try:
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import Cluster

    from personas.store.cassandra.adapter import CassandraStore
    from personas.store.cassandra.options import database
    from personas.store.cassandra.schema import Schema
    from personas.store.cassandra.session import StoreSession, add_profiles
except ModuleNotFoundError:
    Cluster = None

#: What is chosen when the store is created stays.
KEPT = {"layout"}
_keeper = Keeper(os.environ)


def pytest_configure(config: pytest.Config) -> None:
    if _keeper.open():
        config.add_cleanup(_keeper.close)


def pytest_collection_finish(session: pytest.Session) -> None:
    """The node starts while other tests run."""
    if not _skip_reason() and not _given() and any("cassandra" in item.nodeid for item in session.items):
        _keeper.begin()


def _given() -> str:
    return os.environ.get("CASSANDRA_CONTACT_POINTS", "")


def _skip_reason() -> str:
    if Cluster is None:
        return "no Cassandra driver: pip install -r requirements-cassandra.txt"
    return "TEST_CASSANDRA=0 leaves Cassandra out" if os.environ.get("TEST_CASSANDRA") == "0" else ""


@pytest.fixture(scope="session")
def cassandra_server() -> Server:
    """The node CASSANDRA_CONTACT_POINTS names, else the run's own; `.environment` is for processes."""
    if reason := _skip_reason():
        pytest.skip(reason)
    if given := _given():
        return Server(
            contact_points=given,
            port=int(os.environ.get("CASSANDRA_PORT") or 9042),
            username=os.environ.get("CASSANDRA_USERNAME", USER),
            password=os.environ.get("CASSANDRA_PASSWORD", PASSWORD),
        )
    try:
        return _keeper.server()
    except NoNodeError as error:
        pytest.skip(f"no Cassandra node: {error}")


@pytest.fixture(scope="module")
def own_cassandra_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of the module's own, to be killed and launched again: see `Node`. It takes memory and time."""
    if reason := _skip_reason():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cassandra")
    try:
        node = start(folder)
    except NoNodeError as error:
        pytest.skip(f"no Cassandra node: {error}")
    try:
        yield node
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def connected(server: Server, **options: Any) -> Iterator[Any]:
    """The driver's session, made from the options the product uses; `options` as in `options.database`."""
    alias = database(
        contact_points=server.contact_points.split(","),
        keyspace="unused",
        port=server.port,
        username=server.username,
        password=server.password,
        **options,
    )
    connection = alias["OPTIONS"]["connection"]
    connection.pop("lazy_connect")
    provider = PlainTextAuthProvider(server.username, server.password)
    cluster = Cluster(alias["HOST"].split(","), auth_provider=provider, **connection)
    try:
        driver = cluster.connect()
        add_profiles(driver)
        yield driver
    finally:
        cluster.shutdown()


@pytest.fixture(scope="session")
def cassandra_driver(cassandra_server: Server) -> Iterator[Any]:
    """The run's session. What all tests sent by it is looked at when they are done."""
    with connected(cassandra_server) as driver:
        sent = Sent()
        driver.add_request_init_listener(sent.look)
        yield driver
        assert not list(sent.offences())


@pytest.fixture(scope="session")
def cassandra_session(cassandra_driver: Any) -> Iterator[StoreSession]:
    """A keyspace of this run's own."""
    session = StoreSession(keyspace=f"test_{uuid.uuid4().hex[:12]}", connect=lambda: cassandra_driver)
    schema = Schema(session)
    schema.create_keyspace()
    # Without a commit log a table is emptied in a fiftieth of a second, not a fifth: nothing has to reach the disk.
    cassandra_driver.execute(f"ALTER KEYSPACE {session.keyspace} WITH durable_writes = false", timeout=60)
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
    session.driver.execute(f"TRUNCATE {session.name_of(table)}", timeout=60)
