"""What the SQL adapter owes beyond the contract: errors by name, processes that fork, few questions."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from personas.entities import LABELS, STRANGER
from personas.errors import TransientError
from personas.store import get_store
from personas.store.base import Store, StoreError
from personas.store.sql.connection import translating
from tests import factories as make


@translating()
def fails(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


def sqlite_error(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(name)
    error.sqlite_errorname = name
    return error


@pytest.mark.django_db
def test_a_locked_database_is_transient() -> None:
    for name in ("SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED"):
        with pytest.raises(TransientError) as caught:
            fails(OperationalError("database is locked"), sqlite_error(name))
        assert isinstance(caught.value.__cause__, OperationalError)


@pytest.mark.django_db
def test_a_connection_that_broke_is_transient() -> None:
    with pytest.raises(TransientError):
        fails(OperationalError("server closed the connection unexpectedly"), Exception("psycopg's own"))


@pytest.mark.django_db
def test_a_missing_table_is_no_transient_error() -> None:
    with pytest.raises(StoreError, match="migrate"):
        fails(OperationalError("no such table"), sqlite_error("SQLITE_ERROR"))


@pytest.mark.django_db(transaction=True)
def test_waiting_too_long_for_another_writer_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("locks of SQLite")
    store = get_store()
    store.head(LABELS)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError):
            make.add_personas(store, "Ann")
        other.execute("ROLLBACK")
        make.add_personas(store, "Ann")
        assert store.head(LABELS) == 1
    finally:
        other.close()
        connections["default"].close()


def _write_after_fork(number: int) -> None:
    store = get_store()
    for n in range(5):
        make.add_personas(store, f"child {number} {n}")
    store.close()


@pytest.mark.django_db(transaction=True)
def test_a_forked_process_opens_a_connection_of_its_own() -> None:
    store = get_store()
    make.add_personas(store, "Parent")  # the connection is open when the children are made
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_write_after_fork, args=(number,)) for number in range(2)]
    for child in children:
        child.start()
    for n in range(5):
        make.add_personas(store, f"parent {n}")
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert [event.seq for event in store.events(LABELS, after=0)] == list(range(1, 17))


@pytest.mark.django_db
def test_labelling_asks_few_questions_however_many_faces(django_assert_max_num_queries: Callable[..., Any]) -> None:
    store = get_store()
    keys = [make.key(n) for n in range(1000)]
    make.label(store, "ann", *keys)
    with django_assert_max_num_queries(40):
        make.label(store, "bob", *keys)


@pytest.mark.django_db
def test_saving_asks_few_questions_however_many_pictures(django_assert_max_num_queries: Callable[..., Any]) -> None:
    store = get_store()
    with django_assert_max_num_queries(30):
        make.save(store, *[make.extracted(n, faces=2) for n in range(64)])


@pytest.mark.django_db
def test_keyset_queries_are_answered_from_an_index() -> None:
    """Reading on from the middle of a list must not scan or sort the table."""
    if connection.vendor != "sqlite":
        pytest.skip("reads SQLite's query plans")
    store = get_store()
    reads: list[Callable[[Store], object]] = [
        lambda store: store.faces(cursor=str(make.key(1)), limit=10),
        lambda store: store.images(cursor=make.image_id(1), limit=10),
        lambda store: store.known_paths("/photos", cursor="a", limit=10),
        lambda store: store.labels_of_persona("ann", belongs=True, cursor=str(make.key(1)), limit=10),
        lambda store: store.jobs(cursor=f"{make.NOW.isoformat()}~x", limit=10),
        lambda store: store.audits(cursor=f"{make.NOW.isoformat()}~5", limit=10),
        lambda store: store.fresh(1, "ann", after=make.ranked(1, 0.5), limit=10),
        lambda store: store.first_labelled(["ann"]),
        lambda store: store.label_counts(["ann"]),
        lambda store: store.count_images(),
    ]
    for number, read in enumerate(reads):
        plans: list[str] = []

        def explain(execute: Any, sql: str, params: Any, many: bool, context: Any, plans: list[str] = plans) -> Any:
            with connection.cursor() as cursor:
                cursor.cursor.execute(f"EXPLAIN QUERY PLAN {sql}".replace("%s", "?"), params or ())
                plans.extend(row[3] for row in cursor.cursor.fetchall())
            return execute(sql, params, many, context)

        with connection.execute_wrapper(explain):
            read(store)
        assert plans, number
        assert not any("TEMP B-TREE FOR ORDER BY" in plan for plan in plans), (number, plans)
        # A table of nothing but ids is its own index; it is counted whole.
        answered = ("SEARCH", "COVERING INDEX", "TEMP", "SCAN store_image_deleted")
        assert all(any(word in plan for word in answered) for plan in plans), (number, plans)


@pytest.mark.django_db
def test_pictures_are_counted_once_until_a_log_grows() -> None:
    store = get_store()

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            store.count_images()
        return sum("COUNT(" in query["sql"] for query in queries)

    keys = make.save_pictures(store, 3)
    assert [asked() for _ in range(3)] == [2, 0, 0]
    make.save(store, make.extracted("more"))
    assert [asked() for _ in range(2)] == [2, 0]
    make.label(store, STRANGER, keys[0])
    assert [asked() for _ in range(2)] == [2, 0]


@pytest.mark.django_db
def test_a_count_of_what_was_never_committed_is_not_remembered() -> None:
    store = get_store()
    with transaction.atomic():
        make.save_pictures(store, 3)
        assert store.count_images()["faces_total"] == 3
        transaction.set_rollback(True)
    make.save_pictures(store, 2)
    assert store.count_images()["faces_total"] == 2


def test_the_adapter_is_installed_only_when_it_is_the_store(tmp_path: Path) -> None:
    code = "from faceproject.settings import INSTALLED_APPS; print('personas.store.sql' in INSTALLED_APPS)"
    for store, installed in (("sql", "True"), ("cassandra", "False")):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={"STATE_STORE": store, "FACEPROJECT_HOME": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == installed
