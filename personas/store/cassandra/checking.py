"""Exercises every statement the adapter has, on a keyspace of its own, and measures each: the first thing to run
against a cluster or an account nobody has tried before."""

from __future__ import annotations

import hashlib
import struct
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from personas.entities import (
    INGEST,
    LABELS,
    AuditEntry,
    Box,
    ExtractedImage,
    FaceKey,
    Image,
    ImagePath,
    ImageStatus,
    Job,
    JobStatus,
    JobWish,
    ModelVersion,
    NewEvent,
    NewFace,
    RankedFace,
    RankedKind,
    Share,
    ShareStatus,
    Truth,
    Verdict,
    VersionStatus,
)
from personas.projection import (
    COVER_CHOSEN,
    FACES_LABELLED,
    IMAGES_ALLOWED,
    IMAGES_DELETED,
    IMAGES_ERASED,
    IMAGES_ERASING,
    IMAGES_RESTORED,
    PERSONA_ADDED,
    PERSONA_DELETED,
    PERSONA_HIDDEN,
    PERSONA_RENAMED,
    labelled_payload,
)
from personas.store.cassandra import statements as cql
from personas.store.cassandra.adapter import CassandraStore
from personas.store.cassandra.session import PROFILE, Before, Params, StoreSession, Write, _nothing
from personas.store.cassandra.statements import Statement

#: Where Azure Cosmos DB says what a request cost: request units, a double, big-endian.
CHARGE = "RequestCharge"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Measured:
    """What was seen of one statement."""

    seconds: list[float] = field(default_factory=list)
    request_units: list[float] = field(default_factory=list)


class MeasuringSession(StoreSession):
    """One request after the other, each timed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.measured: dict[str, Measured] = defaultdict(Measured)
        self._names = {statement: name for name, statement in cql.ALL.items()}
        self._texts = {self.text_of(statement): name for name, statement in cql.ALL.items()}

    def _execute(self, statement: Statement, params: Params, profile: str = PROFILE) -> Any:
        bound = self.prepared(statement).bind(dict(params))
        return self._timed(self._names[statement], bound, profile)

    def _execute_all(self, statements: Iterable[tuple[Any, Params | None]]) -> Iterator[Any]:
        for statement, params in statements:
            prepared = getattr(statement, "prepared_statement", statement)
            name = self._texts.get(getattr(prepared, "query_string", ""), "unlogged batch")
            bound = statement if params is None else statement.bind(params)
            yield self._timed(name, bound, PROFILE).response_future

    def run_batches(self, writes: Iterable[Write], *, before: Before = _nothing) -> None:
        """Each once by itself, then all as the product sends them: they are upserts."""
        all_of_them = list(writes)
        for write in all_of_them:
            self.run(write.statement, **write.params)
        super().run_batches(all_of_them, before=before)

    def stream(self, statement: Statement, params: Iterable[tuple[Params, int]]) -> Any:
        for one, _ in params:
            yield self.rows(statement, **one)

    def _timed(self, name: str, bound: Any, profile: str) -> Any:
        started = time.perf_counter()
        result = self.driver.execute(bound, execution_profile=profile)
        measured = self.measured[name]
        measured.seconds.append(time.perf_counter() - started)
        payload = getattr(result.response_future, "custom_payload", None) or {}
        if CHARGE in payload:
            measured.request_units.append(struct.unpack(">d", payload[CHARGE])[0])
        return result


def exercise(session: MeasuringSession, *, rounds: int, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Uses the whole port; returns the names of statements that were not needed, which should be none."""
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        store = CassandraStore(session, n_buckets=64)
        _exercise_pictures(store, number)
        _exercise_labels(store, number)
        _exercise_models(store, number)
        _exercise_erasing(store, number)
        _exercise_work(store, number)
    _exercise_races(session)
    return [name for name in cql.ALL if name not in session.measured]


def _key(name: str) -> FaceKey:
    return FaceKey(hashlib.sha256(name.encode()).hexdigest(), 0)


def _extracted(name: str, detector: str = "check 1") -> ExtractedImage:
    key = _key(name)
    vector = np.full(128, 128**-0.5, np.float32)
    place = ((1.0, 1.0),) * 5
    face = NewFace(box=Box(1, 1, 50, 50), landmarks=place, score=0.9, quality=0.9, embedding=vector)
    other = NewFace(box=Box(100, 1, 50, 50), landmarks=place, score=0.9, quality=0.9, embedding=vector)
    image = Image(
        image_id=key.image_id,
        width=200,
        height=100,
        format="JPEG",
        n_bytes=1000,
        status=ImageStatus.FACES,
        n_faces=1,
        detector=detector,
        ingested_at=NOW,
    )
    path = ImagePath(source="/check", path=f"{name}.jpg", image_id=key.image_id, size=1000, mtime_ns=1)
    return ExtractedImage(
        image=image, embedder="check", faces=(face, other) if detector != "check 1" else (face,), paths=(path,)
    )


def _exercise_pictures(store: CassandraStore, number: int) -> None:
    name = f"picture {number}"
    for detector in ("check 1", "check 2"):
        extracted = _extracted(name, detector)
        store.save_extracted([extracted], actor="check", at=NOW, command_id=str(uuid.uuid4()))
    ids = [_key(name).image_id]
    store.images()
    store.images_by_id(ids)
    store.count_images()
    store.faces()
    store.faces_of(ids)
    store.embeddings_of([_key(name)])
    list(store.embedding_blocks(after_seq=0, through_seq=store.head(INGEST), embedder="check"))
    store.paths_of(ids)
    store.known_paths("/check")
    store.find_paths(f"{name}.jpg")
    store.find_paths("no such name")


def _exercise_labels(store: CassandraStore, number: int) -> None:
    person, key, command = f"person {number}", _key(f"picture {number}"), str(uuid.uuid4())

    def event(index: int, kind: str, payload: dict[str, object]) -> NewEvent:
        return NewEvent(kind=kind, actor="check", at=NOW, command_id=command, index=index, payload=payload)

    events = [
        event(0, PERSONA_ADDED, {"persona_id": person, "name": person}),
        event(1, PERSONA_RENAMED, {"persona_id": person, "name": f"{person}!"}),
        event(2, COVER_CHOSEN, {"persona_id": person, "cover": list(key)}),
        event(3, FACES_LABELLED, labelled_payload(person, [key], Verdict.BELONGS)),
        event(4, FACES_LABELLED, labelled_payload("somebody else", [key], Verdict.BELONGS)),
        event(5, FACES_LABELLED, labelled_payload(person, [key], Verdict.REJECTED)),
        event(6, PERSONA_HIDDEN, {"persona_id": person, "hidden": True}),
        event(7, IMAGES_DELETED, {"images": [key.image_id]}),
        event(8, IMAGES_RESTORED, {"images": [key.image_id]}),
        event(9, PERSONA_DELETED, {"persona": {"persona_id": person}}),
        event(10, PERSONA_ADDED, {"persona_id": person, "name": person, "cover": list(key)}),
        event(11, IMAGES_DELETED, {"images": [key.image_id]}),
    ]
    store.record(LABELS, events)
    store.record(LABELS, events)
    store.events(LABELS, after=0)
    store.events_by_id(LABELS, [recorded.event_id for recorded in events])
    store.repair()
    store.personas()
    store.personas_by_id([person])
    store.personas_named(person)
    store.labels_of_persona(person, belongs=False)
    store.labels_of_images([key.image_id])
    list(store.all_labels())
    store.label_counts([person])
    store.put_truths([Truth(image_id=key.image_id, face_no=0, persona=person, category="check")])
    list(store.truths())


def _exercise_erasing(store: CassandraStore, number: int) -> None:
    """What `_exercise_labels` deleted."""
    image_id, command = _key(f"picture {number}").image_id, str(uuid.uuid4())
    store.deleted_images()
    for index, kind in ((1, IMAGES_ERASING), (0, IMAGES_ERASED), (2, IMAGES_ALLOWED)):
        payload = {"images": [image_id]}
        erasing = NewEvent(kind=kind, actor="check", at=NOW, command_id=command, index=index, payload=payload)
        store.record(LABELS, [erasing])
        if kind == IMAGES_ERASING:
            store.erased_images()
            store.erase_images([image_id], actor="check", at=NOW, command_id=command)


def _exercise_models(store: CassandraStore, number: int) -> None:
    version = store.add_model_version(
        ModelVersion(
            version=0,
            status=VersionStatus.PUBLISHING,
            created_at=NOW,
            label_seq=0,
            scored_through=0,
            embedder="check",
            data_hash="",
            artefact="",
            metrics={},
        )
    )
    store.update_model_version(version)
    store.update_model_version(version, expected=version.status)
    store.model_versions()
    champion = store.champion()
    revision = champion.revision if champion else 0
    store.switch_champion(version.version, expected_revision=revision, actor="check", at=NOW)
    ranked = [RankedFace(FaceKey(_key(f"face {n}").image_id, 0), n / 2000) for n in range(1500)]
    store.put_ranked(version.version, RankedKind.PREDICTED, {"person": ranked})
    first = store.ranked(version.version, "person", RankedKind.PREDICTED)
    store.ranked(version.version, "person", RankedKind.PREDICTED, after=first[-1])
    store.put_ranked(version.version, RankedKind.PREDICTED, {"person": ranked[:10]})
    for through in (1, 2):
        store.add_fresh(version.version, {"person": ranked[:5]}, scored_through=through)
    store.fresh(version.version, "person")
    store.fresh_through(version.version)
    store.ranked_counts(version.version)
    store.drop_ranked(version.version)
    of_one_picture = [RankedFace(FaceKey(_key(f"picture {number}").image_id, face_no), 0.9) for face_no in (0, 1)]
    store.add_fresh(version.version, {"person": of_one_picture}, scored_through=3)
    store.add_fresh(version.version, {"person": [*of_one_picture, ranked[0]]}, scored_through=4)


def _exercise_work(store: CassandraStore, number: int) -> None:
    job = Job(
        job_id=f"job {number}",
        kind="check",
        status=JobStatus.RUNNING,
        created_at=NOW,
        updated_at=NOW,
        actor="check",
    )
    store.put_job(job)
    job = replace(job, created_at=NOW + timedelta(seconds=1))
    store.put_job(job)
    store.jobs(created_before=NOW + timedelta(seconds=2))
    store.set_wish(job.job_id, JobWish.PAUSE)
    share = Share(job_id=job.job_id, number=0, status=ShareStatus.WAITING, updated_at=NOW)
    store.put_shares([share])
    store.share(job.job_id, 0)
    store.shares(job.job_id)
    store.drop_shares(job.job_id)
    store.unfinished_jobs()
    store.put_job(replace(job, status=JobStatus.DONE))
    store.advance_cursor("check", number + 1)
    store.add_audit(AuditEntry(at=NOW, actor="check", action="check", target="check"))
    store.audits()
    lease = f"lease {number}"
    store.acquire_lease(lease, owner="one", seconds=1, now=NOW)
    store.renew_lease(lease, owner="one", seconds=1, now=NOW)
    store.acquire_lease(lease, owner="two", seconds=1, now=datetime(2027, 1, 1, tzinfo=UTC))
    store.lease_until(lease)
    store.release_lease(lease, owner="two")


def _exercise_races(session: MeasuringSession) -> None:
    """Statements that only a race, a time-out or a migration brings about."""
    CassandraStore(session, n_buckets=64).keep_old_marks(at=NOW)
    session.row(cql.EVENT_AT, serial=True, stream=LABELS, chunk=0, seq=1)
    session.row(cql.VERSION_AT, serial=True, space="all", version=1)
    session.rows(cql.CLAIMANTS, stream=INGEST, chunk=0)
    session.run(cql.DROP_BLOCKS, chunk=0, seq=10**9, event_id="none", stamp=cql.BLOCK_DROPPED)
    session.run(cql.DROP_SAID, bucket=0, image_id=_key("none").image_id, face_no=0, persona_id="none", stamp=1)
