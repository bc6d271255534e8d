"""What every statement of the Cassandra adapter keeps to; needs no node."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("cassandra", reason="no Cassandra driver: pip install -r requirements-cassandra.txt")

from personas.store.base import StoreError
from personas.store.cassandra import placing, schema, session
from personas.store.cassandra import statements as cql
from personas.store.cassandra.options import StoreRetryPolicy, database
from personas.store.cassandra.session import StoreSession
from tests.cassandra_node.watching import FORBIDDEN, Sent

PACKAGE = Path(cql.__file__).parent
KEYS = {
    match.group(1): [name.strip() for name in match.group(2).split(",")]
    for migration in schema.migrations()
    for statement in migration.statements
    if (match := re.search(r"CREATE TABLE (\w+) .*PRIMARY KEY \(\((.+?)\)", statement))
} | {
    match.group(1): [match.group(2)]
    for migration in schema.migrations()
    for statement in migration.statements
    if (match := re.search(r"CREATE TABLE (\w+) \( ?(\w+) \w+ PRIMARY KEY", statement))
}


@pytest.mark.parametrize("name", list(cql.ALL))
def test_a_statement_stays_within_one_partition(name: str) -> None:
    statement = cql.ALL[name]
    assert not FORBIDDEN.search(statement.text)
    keys = KEYS[statement.table]
    if statement.text.startswith("INSERT"):
        assert all(f":{key}" in statement.text for key in keys)
    else:
        where = statement.text.partition(" WHERE ")[2]
        assert all(re.search(rf"\b{key} = :", where) for key in keys), (keys, where)


@pytest.mark.parametrize("name", list(cql.ALL))
def test_only_what_may_be_repeated_is_marked_so(name: str) -> None:
    statement = cql.ALL[name]
    assert statement.idempotent == (not statement.conditional)


def test_what_transactions_write_nothing_else_writes() -> None:
    """A plain write beside a lightweight transaction is not ordered with it, unless stamped below every ballot."""
    writes = [statement for statement in cql.ALL.values() if not statement.reads]
    by_transaction = {statement.table for statement in writes if statement.conditional}
    assert {"event", "emb_block"} <= by_transaction
    plain = {one for one in writes if one.table in by_transaction and not one.conditional}
    assert plain == {cql.PUT_BLOCK, cql.DROP_BLOCKS}
    assert all("{at}" in one.text for one in plain)


def test_the_schema_leaves_tombstones_to_the_server_or_drops_them_at_once() -> None:
    """Azure Cosmos DB knows no other value than 0."""
    said = [
        found
        for migration in schema.migrations()
        for statement in migration.statements
        for found in re.findall(r"gc_grace_seconds = (\d+)", statement)
    ]
    assert set(said) <= {"0"}


def test_the_schema_and_the_adapter_use_nothing_that_scans_or_locks() -> None:
    for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("migrations/*.cql")]:
        assert not re.search(r"ALLOW FILTERING|CREATE INDEX|MATERIALIZED VIEW|BatchType\.LOGGED", path.read_text()), (
            path
        )
    assert "BatchType.UNLOGGED" in Path(session.__file__).read_text()


def test_nothing_but_the_listed_statements_is_prepared() -> None:
    for path in PACKAGE.glob("*.py"):
        if path.name not in ("session.py", "schema.py"):
            assert not re.search(
                r"\.(prepare|execute|execute_async)\(", path.read_text().replace("driver.execute(bound", "")
            )


def test_write_timestamps_are_left_to_a_server_that_keeps_its_own() -> None:
    own, servers = StoreSession(keyspace="k"), StoreSession(keyspace="k", server_clock=True)
    assert "DELETE FROM k.label USING TIMESTAMP :stamp WHERE" in own.text_of(cql.DROP_LABEL)
    assert "TIMESTAMP" not in servers.text_of(cql.DROP_LABEL)


def test_a_throttled_request_waits_as_long_as_it_is_told() -> None:
    told = StoreRetryPolicy.delay("Request rate is large: RetryAfterMs=400, Additional details=…", 0)
    assert 0.4 <= told <= 0.6
    assert 0.1 <= StoreRetryPolicy.delay("no word", 0) <= 0.15
    assert StoreRetryPolicy.delay("no word", 20) <= 15


def test_a_throttled_request_goes_to_the_same_host_until_it_is_hopeless() -> None:
    class OverloadedErrorMessage(Exception):  # noqa: N818 - the driver's name
        pass

    policy = StoreRetryPolicy()
    assert policy.on_request_error(None, 1, OverloadedErrorMessage("RetryAfterMs=10"), 0)[0] == policy.RETRY
    assert policy.on_request_error(None, 1, OverloadedErrorMessage(""), 9)[0] == policy.RETHROW
    assert policy.on_request_error(None, 1, OSError(), 0)[0] == policy.RETHROW


def test_cosmos_has_its_port_and_names_the_host_it_expects() -> None:
    alias = database(contact_points=["me.cassandra.cosmos.azure.com"], keyspace="k", flavour="cosmos")
    options = alias["OPTIONS"]["connection"]
    assert options["port"] == 10350
    assert options["ssl_options"] == {"server_hostname": "me.cassandra.cosmos.azure.com"}
    assert options["ssl_context"].check_hostname


def test_a_migration_knows_its_keyspace_and_may_be_run_again() -> None:
    name_of = StoreSession(keyspace="k").name_of
    assert schema.placed("CREATE TABLE face (a int)", name_of) == "CREATE TABLE IF NOT EXISTS k.face (a int)"
    assert schema.placed("ALTER TABLE face ADD b int", name_of) == "ALTER TABLE k.face ADD b int"


def test_each_of_two_keyspaces_has_no_more_tables_than_share_a_throughput() -> None:
    """What is dropped counts, too: it is there while the migrations run."""
    made = [each for one in schema.migrations() for each in one.statements if each.startswith("CREATE TABLE ")]
    tables = {each.split()[2] for each in made} | {"schema_migration", "schema_lock"}
    assert tables > placing.SIDE
    assert len(placing.SIDE) <= placing.SHARING
    assert len(tables - placing.SIDE) <= placing.SHARING
    assert len(tables) > placing.SHARING, "one keyspace is enough again"


def test_a_statement_names_the_keyspace_of_its_table() -> None:
    two = StoreSession(keyspace="k", side_keyspace="side")
    assert " side.champion " in two.text_of(cql.CHAMPION)
    assert " k.face " in two.text_of(cql.FACES)
    assert " k.champion " in StoreSession(keyspace="k").text_of(cql.CHAMPION)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"prepared_statement": SimpleNamespace(query_string="SELECT a FROM t WHERE b = 1 ALLOW FILTERING")}, "used"),
        ({"prepared_statement": SimpleNamespace(query_string="SELECT a FROM t WHERE k = ?")}, ""),
        ({"query_string": "CREATE INDEX ON k.t (b)"}, "used"),
        ({"query_string": "CREATE TABLE k.t (a int PRIMARY KEY, n counter)"}, "used"),
        ({"query_string": "SELECT a FROM k.t"}, "not prepared"),
        ({"query_string": "SELECT number, checksum FROM k.schema_migration"}, ""),
        ({"batch_type": "LOGGED"}, "a batch of kind LOGGED"),
        ({"batch_type": "UNLOGGED"}, ""),
    ],
)
def test_what_is_sent_is_looked_at(query: dict[str, Any], said: str) -> None:
    sent = Sent()
    sent.look(SimpleNamespace(query=SimpleNamespace(**query)))
    offences = list(sent.offences())
    assert len(offences) == bool(said)
    assert all(said in offence for offence in offences)


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("1", "{'class': 'SimpleStrategy', 'replication_factor': 1}"),
        ("3", "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"),
        ("dc1:3, dc-2:2", "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc-2': 2}"),
        ("{'class': 'X'}", "{'class': 'X'}"),
    ],
)
def test_copies_of_a_keyspace_are_said_shortly(asked: str, made: str) -> None:
    assert schema.replication_map(asked) == made


@pytest.mark.parametrize("asked", ["", "0x", "dc1", "dc1:0", "dc1:3;", "dc'1:3"])
def test_copies_that_cannot_be_are_refused(asked: str) -> None:
    with pytest.raises(StoreError, match="replication"):
        schema.replication_map(asked)
