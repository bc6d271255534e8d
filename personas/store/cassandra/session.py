"""One connection to the cluster a process: prepared statements, execution profiles, and driver errors as the port's.

django-cassandra-engine holds the cluster and its session under a database alias; the statements are prepared here, with
their keyspace in their text, so that one session serves the product's keyspaces and a scratch one alike.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, NamedTuple

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.query import BatchStatement, BatchType, named_tuple_factory

from personas.store.cassandra.failures import ANY, UncertainError, translated, translating, uncertain
from personas.store.cassandra.placing import SIDE
from personas.store.cassandra.statements import Statement

#: Requests in flight at once of a bulk read or write; measured: 256 writes twice as fast as 64 on one node.
CONCURRENCY = 256
#: Rows of one partition written together; statements handed to the driver at once.
BATCH_ROWS, AT_ONCE = 100, 5000
#: Seconds the driver's event loop may take to end at exit.
LOOP_SECONDS = 0.2
#: Names of the execution profiles that `profiles` adds to a cluster. cqlengine turns the default one to dicts.
PROFILE, SERIAL_PROFILE = "faceproject", "faceproject-serial"

Params = Mapping[str, Any]
#: A row as the driver gives it: a named tuple of the columns.
CqlRow = Any


Before = Callable[[], None]


def _nothing() -> None:
    pass


class Write(NamedTuple):
    """A write, and the value of the partition key it goes to: where tables have it in common, they share it."""

    partition: Hashable
    statement: Statement
    params: Params


def _standing(result: Any) -> CqlRow | None:
    """What stood in the way of a lightweight transaction."""
    return None if result.was_applied else result.one()


class StoreSession:
    """Runs `statements` on one keyspace, or two (see `placing`). May be shared by threads; after a fork the child opens
    its own connection."""

    def __init__(
        self,
        *,
        keyspace: str,
        side_keyspace: str = "",
        alias: str = "cassandra",
        where: str = "",
        server_clock: bool = False,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        self._connect = connect or partial(open_driver_session, alias)
        self.keyspace = keyspace
        self.side_keyspace = side_keyspace or keyspace  #: of the tables in `placing.SIDE`
        self.where = where
        self.server_clock = server_clock  #: the server keeps its own write timestamps (Azure Cosmos DB)
        self.written: set[str] = set()  #: tables written to so far
        self._prepared: dict[Statement, Any] = {}
        self._connected: Any = None
        self._lock = threading.RLock()
        _sessions.add(self)

    def name_of(self, table: str) -> str:
        """The table's name with the keyspace it lies in."""
        return f"{self.side_keyspace if table in SIDE else self.keyspace}.{table}"

    def text_of(self, statement: Statement) -> str:
        """The statement as it is prepared."""
        text = statement.text.replace("{at}", "" if self.server_clock else " USING TIMESTAMP :stamp")
        table = statement.table
        for word in ("FROM", "INTO", "UPDATE"):
            text = text.replace(f"{word} {table}", f"{word} {self.name_of(table)}", 1)
        return text

    @property
    def driver(self) -> Any:
        """The driver's session; opened when first used."""
        if self._connected is None:
            with self._lock, translating(self.where):
                if self._connected is None:
                    self._connected = self._connect()
        return self._connected

    def prepared(self, statement: Statement) -> Any:
        found = self._prepared.get(statement)
        if found is None:
            with self._lock:
                found = self.driver.prepare(self.text_of(statement))
                found.is_idempotent = statement.idempotent
                found.fetch_size = statement.fetch_rows
                self._prepared[statement] = found
        return found

    def _execute(self, statement: Statement, params: Params, profile: str = PROFILE) -> Any:
        return self.driver.execute(self.prepared(statement), params, execution_profile=profile)

    @translated
    def rows(self, statement: Statement, *, serial: bool = False, **params: Any) -> list[CqlRow]:
        """All rows. serial: also what a lightweight transaction in flight will have decided."""
        profile = SERIAL_PROFILE if serial else PROFILE
        return list(self._execute(statement, params, profile))

    def stream(self, statement: Statement, params: Iterable[tuple[Params, int]]) -> Iterator[list[CqlRow]]:
        """Rows of each read, in order; the next read is on its way while one is worked on. The number is how many rows
        the server may put together at once: a node reads that many into its heap."""
        ahead: Any = None
        for one, fetch_rows in params:
            behind, ahead = ahead, self._send(statement, one, fetch_rows)
            if behind is not None:
                yield self._received(behind)
        if ahead is not None:
            yield self._received(ahead)

    @translated
    def _send(self, statement: Statement, params: Params, fetch_rows: int) -> Any:
        bound = self.prepared(statement).bind(dict(params))
        bound.fetch_size = fetch_rows
        return self.driver.execute_async(bound, execution_profile=PROFILE)

    @translated
    def _received(self, future: Any) -> list[CqlRow]:
        return list(future.result())

    def row(self, statement: Statement, *, serial: bool = False, **params: Any) -> CqlRow | None:
        return next(iter(self.rows(statement, serial=serial, **params)), None)

    @translated
    def run(self, statement: Statement, **params: Any) -> None:
        self.written.add(statement.table)
        self._execute(statement, params)

    @translated
    def run_many(self, statement: Statement, params: Iterable[Params], *, before: Before = _nothing) -> None:
        """All of them, or an error; some may have been carried out even then. `before` is called now and then."""
        self.written.add(statement.table)
        prepared = self.prepared(statement)
        self._write_all(((prepared, one) for one in params), AT_ONCE, before)

    @translated
    def rows_many(self, statement: Statement, params: Iterable[Params]) -> list[list[CqlRow]]:
        """Rows of each, in the order of `params`."""
        prepared = self.prepared(statement)
        return [list(future.result()) for future in self._execute_all((prepared, one) for one in params)]

    @translated
    def run_batches(self, writes: Iterable[Write], *, before: Before = _nothing) -> None:
        """Writes to the same partition go together: one mutation instead of a hundred. Never across partitions, never
        logged; each batch is as idempotent as its statements. `before` is called now and then.

        Apache Cassandra makes one mutation of what has one partition key, also in several tables of the keyspace.
        Azure Cosmos DB keeps tables apart, so there a batch stays within one.
        """
        groups: dict[Hashable, list[Write]] = defaultdict(list)
        for write in writes:
            self.written.add(write.statement.table)
            groups[write.partition, write.statement.table if self.server_clock else ""].append(write)
        parts = (
            group[start : start + BATCH_ROWS] for group in groups.values() for start in range(0, len(group), BATCH_ROWS)
        )
        self._write_all(((self._batch(part), None) for part in parts), AT_ONCE // BATCH_ROWS, before)

    def _batch(self, writes: Sequence[Write]) -> Any:
        if len(writes) == 1:
            return self.prepared(writes[0].statement).bind(writes[0].params)
        batch = BatchStatement(BatchType.UNLOGGED)
        for write in writes:
            batch.add(self.prepared(write.statement), write.params)
        batch.is_idempotent = all(write.statement.idempotent for write in writes)
        return batch

    def _write_all(self, statements: Iterable[tuple[Any, Params | None]], at_once: int, before: Before) -> None:
        remaining = iter(statements)
        for first in remaining:
            before()
            for future in self._execute_all(chain([first], islice(remaining, at_once - 1))):
                future.result()

    def _execute_all(self, statements: Iterable[tuple[Any, Params | None]]) -> Iterator[Any]:
        """The driver's futures, in order, at most CONCURRENCY of them under way. The next statements are made while
        the cluster works on those before: it and this process each have half of the work."""
        under_way: deque[Any] = deque()
        for statement, params in statements:
            if len(under_way) == CONCURRENCY:
                yield under_way.popleft()
            under_way.append(self.driver.execute_async(statement, params, execution_profile=PROFILE))
        yield from under_way

    @translated
    def compare_and_set(self, statement: Statement, **params: Any) -> CqlRow | None:
        """None when the transaction was applied, else the row that stood in its way (columns may be missing).

        Raises UncertainError when nobody knows.
        """
        assert statement.conditional, statement
        self.written.add(statement.table)
        with uncertain():
            return _standing(self._execute(statement, params))

    @translated
    def compare_and_set_many(
        self, transactions: Iterable[tuple[Statement, Params]]
    ) -> list[CqlRow | UncertainError | None]:
        """As `compare_and_set` for each, in order, at the same time: of different partitions they do not wait for each
        other. What nobody knows of is told in its place; any other error is raised when all have ended."""
        sent = []
        for statement, params in transactions:
            assert statement.conditional, statement
            self.written.add(statement.table)
            sent.append((self.prepared(statement), params))
        answers: list[CqlRow | UncertainError | None] = []
        failed: Exception | None = None
        for future in self._execute_all(sent):
            try:
                with uncertain():
                    answers.append(_standing(future.result()))
            except UncertainError as error:
                answers.append(error)
            except ANY as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return answers

    def forget(self) -> None:
        """Drop what belongs to a connection; the next call opens one again."""
        with self._lock:
            self._connected = None
            self._prepared.clear()


#: Sessions of this process, told when it has forked.
_sessions: weakref.WeakSet[StoreSession] = weakref.WeakSet()
#: Driver sessions a fork left in this process: they belong to the parent, whose threads are not here.
_inherited: list[Any] = []


def _leave_connections_to_parent() -> None:
    from cassandra.cqlengine import connection

    for session in _sessions:
        session._lock = threading.RLock()
        if session._connected is not None:
            _inherited.append((session._connected, dict(session._prepared)))
            session.forget()
    _inherited.append(dict(connection._connections))
    connection._connections.clear()


os.register_at_fork(after_in_child=_leave_connections_to_parent)


def open_driver_session(alias: str) -> Any:
    """The session django-cassandra-engine keeps under this alias of settings.DATABASES, with this module's profiles."""
    from cassandra.cqlengine import connection as cqlengine
    from django.db import connections

    wrapper: Any = connections[alias]
    try:
        if alias not in cqlengine._connections:  # not yet, or left behind by a fork
            wrapper.connected = False
            wrapper.connect()
        session = wrapper.connection.session
    except Exception:
        cqlengine._connections.pop(alias, None)  # it would be taken for one that is open
        del connections[alias]  # Django would have it connect at the beginning and end of each request of this thread
        raise
    add_profiles(session)
    atexit.register(_shut_down, session.cluster, os.getpid())
    return session


def _shut_down(cluster: Any, opened_by: int) -> None:
    if os.getpid() == opened_by:  # a fork's child has not the parent's threads
        cluster.shutdown()
        _end_event_loop()


def _end_event_loop() -> None:
    """The driver's own exit handler stops the event loop's housekeeping before the loop has seen that its connections
    are closed, and then waits five seconds for it in vain. Let the loop end by itself first, and skip that handler."""
    reactor: Any = sys.modules.get("cassandra.io.libevreactor")
    loop = getattr(reactor, "_global_loop", None)
    if loop is not None and loop._thread is not None:
        loop.notify()
        loop._thread.join(LOOP_SECONDS)
        atexit.unregister(reactor._atexit_cleanup)


def add_profiles(session: Any) -> None:
    """This module's execution profiles, made from the cluster's default one."""
    profiles = session.cluster.profile_manager.profiles
    for name, consistency in (
        (PROFILE, ConsistencyLevel.LOCAL_QUORUM),
        (SERIAL_PROFILE, ConsistencyLevel.LOCAL_SERIAL),
    ):
        if name not in profiles:
            profile = session.execution_profile_clone_update(
                EXEC_PROFILE_DEFAULT, consistency_level=consistency, row_factory=named_tuple_factory
            )
            session.cluster.add_execution_profile(name, profile)
