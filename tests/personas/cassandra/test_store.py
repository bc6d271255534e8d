"""The Cassandra adapter where the contract cannot look: kills, time-outs, migrations, copying. Needs a node."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cassandra", reason="no Cassandra driver: pip install -r requirements-cassandra.txt")

from personas.entities import INGEST, LABELS, Job, JobStatus, NewEvent, RankedFace, RankedKind, Verdict
from personas.errors import TransientError
from personas.projection import IMAGES_DELETED
from personas.state_hash import state_hash
from personas.store.base import StoreError
from personas.store.cassandra import claims, projecting
from personas.store.cassandra import statements as cql
from personas.store.cassandra.adapter import CassandraStore
from personas.store.cassandra.base import SPACE
from personas.store.cassandra.checking import MeasuringSession, exercise
from personas.store.cassandra.failures import UncertainError
from personas.store.cassandra.placing import SIDE
from personas.store.cassandra.schema import LockedError, Schema, migrations
from personas.store.cassandra.session import StoreSession
from personas.store.cassandra.statements import Statement
from personas.store.cassandra.values import to_micros
from personas.store.copying import copy_store
from personas.store.sql.adapter import SqlStore
from tests import factories as make


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead processes are given up soon."""
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 0.3)
    monkeypatch.setattr(projecting, "TURN_SECONDS", 0.6)


def test_a_slow_process_that_was_taken_over_announces_nothing(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = CassandraStore(cassandra_store._session, n_buckets=64)

    put_faces = slow._put_faces

    def meanwhile(claimed: Any, paths: Any) -> None:
        put_faces(claimed, paths)
        time.sleep(0.5)
        make.save(cassandra_store, make.extracted("a", faces=2))

    monkeypatch.setattr(slow, "_put_faces", meanwhile)
    with pytest.raises(TransientError, match="took over"):
        make.save(slow, make.extracted("a", faces=2))
    assert cassandra_store.head(INGEST) == 1
    assert cassandra_store.count_images() == {"faces": 1, "no_face": 0, "deleted": 0, "faces_total": 2}


def test_a_picture_that_somebody_saved_since_it_was_looked_for_keeps_its_faces(cassandra_store: CassandraStore) -> None:
    late = CassandraStore(cassandra_store._session, n_buckets=64)
    assert late.images_by_id([make.image_id("a")]) == {}
    make.save(cassandra_store, make.extracted("a", faces=2))
    saved = make.save(late, make.extracted("a", faces=2))
    assert (saved.new_images, saved.ingest_seq) == ((), None)
    assert cassandra_store.count_images() == {"faces": 1, "no_face": 0, "deleted": 0, "faces_total": 2}
    assert len(late.faces_of([make.image_id("a")])[make.image_id("a")]) == 2


def test_a_new_picture_that_was_looked_for_costs_three_requests_and_its_share_of_the_batch(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim, what goes before the event, and its image row; of a picture alone also a name, a path, the log, and
    whether it was deleted or erased."""
    session = cassandra_store._session
    sent: list[str] = []
    execute, execute_all = session._execute, session._execute_all

    def one(statement: Any, *arguments: Any) -> Any:
        sent.append(statement.table)
        return execute(statement, *arguments)

    def many(statements: Any) -> Any:
        statements = list(statements)
        sent.extend("many" for _ in statements)
        return execute_all(statements)

    picture = make.extracted("a", faces=2, paths=[make.image_path("a", path="a.jpg")])
    make.save(cassandra_store, make.extracted("b", faces=1))  # whatever is done once only
    cassandra_store.images_by_id([picture.image.image_id])
    monkeypatch.setattr(session, "_execute", one)
    monkeypatch.setattr(session, "_execute_all", many)
    make.save(cassandra_store, picture)
    assert sorted(sent) == ["event", "event", *["many"] * 8]


def test_deleted_pictures_are_counted_once_until_a_label_event_is_projected(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, rows_many = cassandra_store._session, cassandra_store._session.rows_many
    sent: list[Statement] = []

    def heard(statement: Statement, params: Any) -> Any:
        sent.append(statement)
        return rows_many(statement, params)

    monkeypatch.setattr(session, "rows_many", heard)

    def counted() -> tuple[int, int]:
        before = sent.count(cql.DELETED_BETWEEN)
        deleted = cassandra_store.count_images()["deleted"]
        return deleted, sent.count(cql.DELETED_BETWEEN) - before

    keys = make.save_pictures(cassandra_store, 2)
    assert [counted() for _ in range(2)] == [(0, 1), (0, 0)]
    payload = {"images": [keys[0].image_id]}
    event = NewEvent(kind=IMAGES_DELETED, actor="zoe", at=make.NOW, command_id=make.command_id(), payload=payload)
    cassandra_store.record(LABELS, [event])
    assert [counted() for _ in range(2)] == [(1, 1), (1, 0)]


def test_no_read_of_marks_steps_over_more_than_a_stretch_of_those_that_were_taken_away(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node refuses to step over too many; it would take minutes to make them."""
    session, stream, rows_many = (
        cassandra_store._session,
        cassandra_store._session.stream,
        cassandra_store._session.rows_many,
    )
    read: list[tuple[str, str]] = []

    def streaming(statement: Statement, params: Any) -> Any:
        params = list(params)
        read.extend((one["after"], one["until"]) for one, _ in params)
        return stream(statement, params)

    def many(statement: Statement, params: Any) -> Any:
        params = list(params)
        if statement is cql.DELETED_BETWEEN:
            read.extend((one["first"], one["last"]) for one in params)
        return rows_many(statement, params)

    monkeypatch.setattr(session, "stream", streaming)
    monkeypatch.setattr(session, "rows_many", many)
    cassandra_store.deleted_images()
    cassandra_store.deleted_images(cursor="7" * 64)
    cassandra_store._count_deleted()
    assert len(read) == 16 + 9 + 16
    assert {until[0] == after[0] for after, until in read} == {True}


def test_an_append_nobody_knows_about_is_looked_up(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = cassandra_store._session
    honest, lost = session.compare_and_set, []

    def timing_out(statement: Any, **params: Any) -> Any:
        answer = honest(statement, **params)
        if statement is cql.APPEND and len(lost) < 3:
            lost.append(answer)
            raise UncertainError("the answer was lost")
        return answer

    monkeypatch.setattr(session, "compare_and_set", timing_out)
    make.add_personas(cassandra_store, "Ann", "Bob")
    assert [event.seq for event in cassandra_store.events(LABELS, after=0)] == [1, 2]
    assert [persona.name for persona in cassandra_store.personas().items] == ["Ann", "Bob"]


def test_projecting_old_events_again_changes_nothing(cassandra_store: CassandraStore) -> None:
    make.add_personas(cassandra_store, "Ann", "Bob")
    make.label(cassandra_store, "ann", make.key("a"), make.key("b"))
    make.label(cassandra_store, "bob", make.key("a"))
    make.label(cassandra_store, "bob", make.key("a"), verdict=Verdict.CLEARED)
    before = state_hash(cassandra_store)
    cassandra_store._session.driver.execute(f"TRUNCATE {cassandra_store._session.keyspace}.follower")
    assert cassandra_store.repair() == 5
    assert state_hash(cassandra_store) == before
    assert cassandra_store.label_counts(["ann", "bob"]) == {"ann": (1, 0), "bob": (0, 0)}


def test_a_dropped_version_can_be_published_again(cassandra_store: CassandraStore) -> None:
    ranked = [RankedFace(make.key(n), n / 100) for n in range(50)]
    for _ in range(2):
        cassandra_store.put_ranked(1, RankedKind.PREDICTED, {"ann": ranked})
        cassandra_store.add_fresh(1, {"ann": ranked[:2]}, scored_through=3)
        assert cassandra_store.fresh_through(1) == 3
        assert len(cassandra_store.ranked(1, "ann", RankedKind.PREDICTED)) == 50
        cassandra_store.drop_ranked(1)
        assert cassandra_store.ranked_counts(1) == {}


# ---- jobs ------------------------------------------------------------------------------------------------------------
def job(store: CassandraStore, status: JobStatus = JobStatus.QUEUED, seconds: float = 0) -> Job:
    made = Job(job_id="j", kind="train", status=status, created_at=make.at(seconds), updated_at=make.at(0), actor="zoe")
    store.put_job(made)
    return made


def test_places_a_job_once_had_do_not_hide_it(cassandra_store: CassandraStore) -> None:
    made = job(cassandra_store, seconds=9)
    for seconds in (3, 12):  # left by a process that was killed before it deleted one, and before it wrote the job
        cassandra_store._put_entry("jobs", to_micros(make.at(seconds)), "j", "")
    assert cassandra_store.jobs().items == (made,)


@pytest.mark.parametrize("ends_first", [True, False])
def test_a_job_that_two_processes_put_at_once_is_never_forgotten(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch, ends_first: bool
) -> None:
    """One ends it, the other, who read it before, goes on with it: right before a statement of the first."""
    made = job(cassandra_store)
    other = CassandraStore(cassandra_store._session, n_buckets=64)
    session = cassandra_store._session
    honest = session.run
    ended, goes_on = replace(made, status=JobStatus.DONE), replace(made, status=JobStatus.RUNNING)
    slow, quick, statement = (goes_on, ended, cql.PUT_JOB) if ends_first else (ended, goes_on, cql.DROP_UNFINISHED)

    def overtaken(asked: Statement, **params: Any) -> None:
        if asked is statement:
            monkeypatch.setattr(session, "run", honest)
            other.put_job(quick)
        honest(asked, **params)

    monkeypatch.setattr(session, "run", overtaken)
    cassandra_store.put_job(slow)
    assert session.run == honest
    assert cassandra_store.job("j") == goes_on
    assert cassandra_store.unfinished_jobs() == (goes_on,)


# ---- schema ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_keyspace(cassandra_driver: Any) -> Iterator[StoreSession]:
    session = StoreSession(keyspace=f"test_{uuid.uuid4().hex[:12]}", connect=lambda: cassandra_driver)
    Schema(session).create_keyspace()
    yield session
    Schema(session).drop_keyspace()


def test_two_processes_that_migrate_at_once_do_it_once(empty_keyspace: StoreSession) -> None:
    outcomes: list[object] = []

    def migrate() -> None:
        try:
            outcomes.append(len(Schema(empty_keyspace).migrate()))
        except LockedError:
            outcomes.append("locked")

    threads = [threading.Thread(target=migrate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = len(migrations())
    assert outcomes in ([every, "locked"], ["locked", every], [every, 0], [0, every])
    assert Schema(empty_keyspace).pending() == []
    checksums = f"UPDATE {empty_keyspace.keyspace}.schema_migration SET checksum = 'other' WHERE number = 1"
    empty_keyspace.driver.execute(checksums)
    with pytest.raises(StoreError, match="has changed"):
        Schema(empty_keyspace).migrate()


def test_jobs_of_an_older_version_are_looked_after(cassandra_store: CassandraStore) -> None:
    """A migration that was cut short before it was noted down is applied again, on jobs that no index has."""
    made = job(cassandra_store)
    for number in range(3):
        cassandra_store.put_job(replace(made, job_id=f"done {number}", status=JobStatus.DONE))
    session = cassandra_store._session
    session.run(cql.DROP_UNFINISHED, space=SPACE, job_id="j")
    assert cassandra_store.unfinished_jobs() == ()
    session.driver.execute(f"DELETE FROM {session.keyspace}.schema_migration WHERE number = 2")
    assert [migration.number for migration in Schema(session).migrate()] == [2]
    assert cassandra_store.unfinished_jobs() == (made,)
    assert len(session.rows(cql.UNFINISHED, space=SPACE)) == 1


def test_a_store_without_a_schema_says_what_to_do(empty_keyspace: StoreSession) -> None:
    with pytest.raises(StoreError, match="migrate_store"):
        CassandraStore(empty_keyspace, n_buckets=64).head(LABELS)


def test_check_store_needs_every_statement(cassandra_store: CassandraStore, cassandra_driver: Any) -> None:
    keyspace = cassandra_store._session.keyspace
    session = MeasuringSession(keyspace=keyspace, connect=lambda: cassandra_driver)
    session.written = cassandra_store._session.written
    assert set(exercise(session, rounds=2)) <= {"SET_LAYOUT"}  # the keyspace has its layout already


def test_every_statement_works_where_tables_lie_in_two_keyspaces(cassandra_driver: Any) -> None:
    name = f"test_{uuid.uuid4().hex[:12]}"
    session = MeasuringSession(keyspace=name, side_keyspace=f"{name}_side", connect=lambda: cassandra_driver)
    Schema(session).create_keyspace()
    try:
        Schema(session).migrate()
        assert exercise(session, rounds=2) == []
        asked = cassandra_driver.prepare("SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?")
        aside = {row.table_name for row in cassandra_driver.execute(asked, [f"{name}_side"])}
        assert aside == SIDE
    finally:
        Schema(session).drop_keyspace()
    assert not list(cassandra_driver.execute(asked, [f"{name}_side"]))


def test_a_store_in_one_keyspace_is_not_torn_apart(cassandra_store: CassandraStore) -> None:
    one = cassandra_store._session
    two = StoreSession(keyspace=one.keyspace, side_keyspace=f"{one.keyspace}_side", connect=lambda: one.driver)
    with pytest.raises(StoreError, match="unset CASSANDRA_SIDE_KEYSPACE"):
        Schema(two).pending()


# ---- copying ---------------------------------------------------------------------------------------------------------


def _fill(store: Any) -> None:
    make.save(store, make.extracted("a", faces=2), make.extracted("b", faces=0))
    make.save(store, make.extracted("c", faces=3))
    make.save(store, make.extracted("a", faces=2, embedder="arc 1"))
    make.save(store, make.extracted("c", faces=4, detector="other 1"))
    make.save(store, make.extracted("b", faces=0, detector="other 1"))
    make.add_personas(store, "Ann", "Bob")
    make.label(store, "ann", make.key("a"), make.key("c", 3))
    make.label(store, "bob", make.key("a"))
    make.label(store, "ann", make.key("c", 1), verdict=Verdict.REJECTED)
    store.add_model_version(make.model_version(scored_through=2))
    store.put_ranked(1, RankedKind.PREDICTED, {"ann": [RankedFace(make.key("c"), 0.5)]})
    store.add_fresh(1, {"bob": [RankedFace(make.key("c", 2), 0.7)]}, scored_through=4)
    store.switch_champion(1, expected_revision=0, actor="zoe", at=make.NOW)


@pytest.mark.django_db
@pytest.mark.parametrize("to_sql", [False, True])
def test_a_copy_is_the_same_store_and_can_be_done_again(cassandra_store: CassandraStore, to_sql: bool) -> None:
    sql = SqlStore(n_buckets=64)
    source, target = (cassandra_store, sql) if to_sql else (sql, cassandra_store)
    _fill(source)
    for _ in range(2):
        assert copy_store(source, target).state_hash == state_hash(source).state_hash
    assert (target.head(INGEST), target.head(LABELS)) == (source.head(INGEST), source.head(LABELS))
    ids = [event.event_id for event in source.events(LABELS, after=0)]
    assert [event.event_id for event in target.events(LABELS, after=0)] == ids
    assert target.model_version(1) == source.model_version(1)
    assert target.ranked_counts(1) == source.ranked_counts(1)
    assert target.fresh_through(1) == 4
    champion = target.champion()
    assert champion is not None and champion.version == 1
    keys = [face.key for face in source.faces().items]
    for embedder in (make.EMBEDDER, "arc 1", None):
        ours, theirs = source.embeddings_of(keys, embedder=embedder), target.embeddings_of(keys, embedder=embedder)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_neither_a_picture_nor_its_path_is_known_before_it_is_in_the_log(
    cassandra_store: CassandraStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who repeats a batch that was cut short passes over what is known: the picture would never be learnt from."""
    batch = [make.extracted("a", paths=[make.image_path("a", path="a.jpg")])]
    with monkeypatch.context() as patched:
        patched.setattr(cassandra_store, "_append_with_blocks", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cassandra_store.save_extracted(batch, actor="t", at=make.NOW, command_id="c")
    source = batch[0].paths[0].source
    assert cassandra_store.known_paths(source).items == ()
    assert cassandra_store.images_by_id([batch[0].image.image_id]) == {}
