"""A process killed at any write whatever: after `repair` and the same call again, the store is as if nothing had been.

Every scenario is played with a kill at its first write, at its second, and so on until it gets through; each time with
names of its own, so that all of it lies in one store, and is compared with a store where nobody was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

pytest.importorskip("cassandra", reason="no Cassandra driver: pip install -r requirements-cassandra.txt")

from personas.entities import (
    INGEST,
    LABELS,
    FaceKey,
    Job,
    JobStatus,
    JobWish,
    RankedFace,
    RankedKind,
    Share,
    ShareStatus,
    Truth,
    Verdict,
)
from personas.lease import Lease
from personas.projection import COVER_CHOSEN, PERSONA_RENAMED
from personas.shares import do_share
from personas.state_hash import state_hash
from personas.store.base import Store
from personas.store.cassandra import claims
from personas.store.cassandra.adapter import CassandraStore
from personas.store.cassandra.session import StoreSession
from personas.store.sql.adapter import SqlStore
from tests import factories as make
from tests.cassandra_node.fixtures import truncate

pytestmark = pytest.mark.django_db


class KilledError(BaseException):
    """Stands for a process that ends between two requests."""


class FailingSession(StoreSession):
    """Ends the process at the n-th write, as a kill would: nothing is tidied up."""

    left = 10**9

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KilledError

    def _execute(self, statement: Any, params: Any, *args: Any) -> Any:
        if not statement.reads:
            self._count()
        return super()._execute(statement, params, *args)

    def _execute_all(self, statements: Any) -> Iterator[Any]:
        for one in statements:
            self._count()
            for future in super()._execute_all([one]):
                future.result()
                yield future


Play = Callable[[Store, int], None]
Look = Callable[[Store, int], None]


def nothing(store: Store, number: int) -> None:
    pass


@pytest.fixture
def killing(
    cassandra_session: StoreSession, cassandra_driver: Any, cassandra_store: CassandraStore
) -> Callable[..., int]:
    """Plays a scenario with a kill at each of its writes; returns how many writes it has. `between` looks at what a
    kill left, `after` at what became of it."""

    def play_all(play: Play, *, between: Look = nothing, after: Look) -> int:
        for number in count():
            session = FailingSession(keyspace=cassandra_session.keyspace, connect=lambda: cassandra_driver)
            session.rows_many = cassandra_session.rows_many  # type: ignore[method-assign] - reading kills nobody
            session.written, session.left = cassandra_session.written, number
            try:
                play(CassandraStore(session, n_buckets=64), number)
            except KilledError:
                truncate(cassandra_session, "lease")  # time passes, and what the dead one held runs out
                between(cassandra_store, number)
                cassandra_store.repair()
                play(cassandra_store, number)
            after(cassandra_store, number)
            if session.left >= 0:
                return number
        raise AssertionError

    return play_all


@pytest.fixture(autouse=True)
def dead_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that nobody announced is a dead process's, however young: there is no other process here."""
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 0)


def same_as_undisturbed(store: Store, play: Play, n_writes: int) -> None:
    undisturbed = SqlStore(n_buckets=64)
    for number in range(n_writes + 1):
        play(undisturbed, number)
    assert state_hash(store) == state_hash(undisturbed)
    assert [event.event_id for event in store.events(LABELS, after=0, limit=10_000)] == [
        event.event_id for event in undisturbed.events(LABELS, after=0, limit=10_000)
    ]


def test_labels(killing: Callable[..., int], cassandra_store: CassandraStore) -> None:
    def faces(number: int) -> list[FaceKey]:
        return [make.key(f"{number}/{n}") for n in range(4)]

    def play(store: Store, number: int) -> None:
        ann, bob, command = f"ann{number}", f"bob{number}", make.command_id(f"labels {number}")
        first, second, third, fourth = faces(number)

        def changed(kind: str, payload: Mapping[str, Any], index: int) -> Any:
            return replace(make.persona_added(ann, command=command, index=index), kind=kind, payload=payload)

        said = [
            make.persona_added(ann, command=command, index=0),
            make.persona_added(bob, command=command, index=1),
            make.labelled(ann, [first, second, third], command=command, index=2),
            make.labelled(bob, [first, second], command=command, index=3),
            make.labelled(ann, [third, fourth], Verdict.REJECTED, command=command, index=4),
            make.labelled(ann, [fourth], Verdict.CLEARED, command=command, index=5),
            changed(PERSONA_RENAMED, {"persona_id": ann, "name": f"Anna {number}"}, 6),
            changed(COVER_CHOSEN, {"persona_id": bob, "cover": list(first)}, 7),
        ]
        store.record(LABELS, said)

    def after(store: Store, number: int) -> None:
        ann, bob = f"ann{number}", f"bob{number}"
        assert store.repair() == 0
        assert store.head(LABELS) == 8 * (number + 1)
        assert store.label_counts([ann, bob]) == {ann: (0, 1), bob: (2, 0)}
        assert store.personas_named(f"Anna {number}")[0].persona_id == ann
        assert store.labels_of_persona(ann, belongs=True).items == ()
        bobs = {label.key for label in store.labels_of_persona(bob, belongs=True).items}
        assert bobs == set(faces(number)[:2])

    n_writes = killing(play, after=after)
    assert n_writes > 30
    same_as_undisturbed(cassandra_store, play, n_writes)


def test_pictures(killing: Callable[..., int], cassandra_store: CassandraStore) -> None:
    def play(store: Store, number: int) -> None:
        names = f"{number}/a", f"{number}/b"
        if number % 2:  # known already, from another detector that saw less
            first = [make.extracted(name, faces=1, detector="other 1") for name in names]
            make.save(store, *first, command=make.command_id(f"before {number}"))
        make.save(
            store,
            make.extracted(names[0], faces=2),
            make.extracted(names[1], faces=number % 2),
            command=make.command_id(number),
        )

    def between(store: Store, number: int) -> None:
        seen = {image.image_id for image in store.images(limit=1000).items}
        told = {image_id for event in store.events(INGEST, after=0) for image_id in event.payload["images"]}
        assert seen <= told, "whoever repeats the batch passes over pictures that are seen"

    def after(store: Store, number: int) -> None:
        ids = [make.image_id(f"{number}/a"), make.image_id(f"{number}/b")]
        keys = [make.key(f"{number}/a", 0), make.key(f"{number}/a", 1)]
        assert set(store.images_by_id(ids)) == set(ids)
        assert set(store.embeddings_of(keys)) == set(keys)
        assert len(store.paths_of(ids)) == 2
        blocks = store.embedding_blocks(after_seq=0, through_seq=store.head("ingest"), embedder=make.EMBEDDER)
        assert set(keys) <= {key for block in blocks for key in block.keys}
        counted = store.count_images()
        assert counted["faces"] + counted["no_face"] == 2 * (number + 1)
        assert counted["faces_total"] == sum(2 + one % 2 for one in range(number + 1))

    n_writes = killing(play, between=between, after=after)
    assert n_writes > 8
    same_as_undisturbed(cassandra_store, play, n_writes)


def test_jobs_and_shares(killing: Callable[..., int], cassandra_store: CassandraStore) -> None:
    def begun(number: int) -> Job:
        return Job(
            job_id=f"job {number}",
            kind="ingest",
            status=JobStatus.RUNNING,
            created_at=make.at(number),
            updated_at=make.at(number),
            actor="zoe",
            total=2,
        )

    def clock() -> datetime:
        return datetime.now(UTC)

    def half(share: Share, lease: Lease) -> Mapping[str, Any]:
        return {"half": share.number}

    def play(store: Store, number: int) -> None:
        job = begun(number)
        if store.job(job.job_id) is None:  # as a service that begins a job does
            shares = [
                Share(job_id=job.job_id, number=n, status=ShareStatus.WAITING, updated_at=job.created_at, total=1)
                for n in range(2)
            ]
            store.put_shares(shares)
            store.put_job(job)
        store.set_wish(job.job_id, JobWish.NONE)
        for share in range(2):
            do_share(store, job.job_id, share, do=half, clock=clock)
        store.put_job(replace(job, status=JobStatus.DONE, done=2))

    def between(store: Store, number: int) -> None:
        job = store.job(f"job {number}")
        if job is None:
            return
        assert len(store.shares(job.job_id)) == 2
        if not job.status.ended:
            assert [one.job_id for one in store.unfinished_jobs()] == [job.job_id]
        assert store.jobs(limit=1).items[0].job_id == job.job_id

    def after(store: Store, number: int) -> None:
        job = store.job(f"job {number}")
        assert job is not None
        assert (job.status, job.done) == (JobStatus.DONE, 2)
        shares = store.shares(job.job_id)
        assert [share.status for share in shares] == [ShareStatus.DONE] * 2
        assert [share.result for share in shares] == [{"half": 0}, {"half": 1}]
        assert all(1 <= share.attempts <= 2 for share in shares)
        assert store.unfinished_jobs() == ()
        assert [one.job_id for one in store.jobs(limit=100).items] == [f"job {n}" for n in range(number, -1, -1)]

    assert killing(play, between=between, after=after) > 12


def test_predictions_and_truths(killing: Callable[..., int], cassandra_store: CassandraStore) -> None:
    many = [RankedFace(make.key(f"face {n}"), n / 2500) for n in range(2500)]
    few, fresh = many[:10], many[20:30]

    def play(store: Store, number: int) -> None:
        version = number + 1
        store.put_truths([Truth(image_id=make.image_id(number), face_no=0, persona="ann", category="known")])
        store.put_ranked(version, RankedKind.PREDICTED, {"ann": many, "bob": few})
        store.put_ranked(version, RankedKind.PREDICTED, {"ann": few})
        store.add_fresh(version, {"bob": fresh}, scored_through=3)
        store.drop_ranked(version + 1000)

    def after(store: Store, number: int) -> None:
        version = number + 1
        assert store.ranked_counts(version) == {"ann": 10, "bob": 20}
        assert len(store.ranked(version, "ann", RankedKind.PREDICTED, limit=5000)) == 10
        assert store.fresh_through(version) == 3
        assert len(store.fresh(version, "bob")) == 10
        assert len(list(store.truths())) == version

    n_writes = killing(play, after=after)
    assert n_writes > 10

    def drop(store: Store, number: int) -> None:
        store.drop_ranked(number + 1)

    def dropped(store: Store, number: int) -> None:
        assert store.ranked_counts(number + 1) == {}
        assert store.fresh_through(number + 1) == 0
        assert store.ranked(number + 1, "ann", RankedKind.PREDICTED) == ()
        assert store.fresh(number + 1, "bob") == ()

    assert killing(drop, after=dropped) > 3
