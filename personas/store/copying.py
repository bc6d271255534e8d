"""Moving everything from one store to another, through the port alone, so any two adapters will do.

Sequence numbers stay: events of the labels stream are recorded again under their own ids, and every ingest event of the
source becomes one of the target, with the pictures and embeddings it brought. So versions, marks and cursors, which
speak of sequence numbers, can be copied as they are. Every step is safe to repeat and begins where the target stands: a
copy that was interrupted is continued by starting it again. Nothing may write to either store meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personas.entities import (
    INGEST,
    LABELS,
    Event,
    ExtractedImage,
    Face,
    FaceKey,
    FloatArray,
    Image,
    ImageStatus,
    NewEvent,
    NewFace,
    RankedFace,
    RankedKind,
)
from personas.state_hash import state_hash
from personas.store.base import PICTURES_INGESTED, Store, StoreError
from personas.store.paging import every, every_page

#: Cursors of followers that are copied: what the product's parts call themselves.
CURSORS = ("trainer", "dropped_pages", "erased", "withdrawn")
#: The target's own cursor over the audit log, whose entries have no id.
AUDITS_COPIED = "copy/audits"
BATCH = 500

Say = Callable[[str, int, int], None]  #: (step, done, total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy did."""

    state_hash: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent(NewEvent):
    """An event that has its id already."""

    recorded_id: str

    @property
    def event_id(self) -> str:
        return self.recorded_id


def copy_store(source: Store, target: Store, *, say: Say = lambda step, done, total: None) -> Copied:
    """Copy all and compare. Raises StoreError when the target holds something else, or differs afterwards."""
    counts: dict[str, int] = {}
    source.repair()
    for name, step in (
        ("ingest events", _pictures),
        ("pictures", _paths_and_tags),
        ("label events", _label_events),
        ("ground truths", _truths),
        ("versions", _versions),
        ("predictions", _predictions),
        ("jobs", _jobs),
        ("audit entries", _audits),
    ):
        done = 0
        for done, total in step(source, target):
            say(name, done, total)
        counts[name] = done
    for name in CURSORS:
        target.advance_cursor(name, source.cursor(name))
    return Copied(state_hash=_compare(source, target), counts=counts)


def _compare(source: Store, target: Store) -> str:
    ours, theirs = state_hash(source), state_hash(target)
    if ours.state_hash != theirs.state_hash:
        differing = [name for name, value in ours.sections.items() if theirs.sections[name] != value]
        raise StoreError(
            f"The copy differs from its source in: {', '.join(differing)}. Was something written meanwhile, or was the"
            " target not empty? Stop all processes and copy into an empty store."
        )
    for stream in (LABELS, INGEST):
        if source.head(stream) != target.head(stream):
            raise StoreError(
                f"The copy's log of {stream} has another length than its source's; copy into an empty store."
            )
    return ours.state_hash


# ---- pictures --------------------------------------------------------------------------------------------------------

Progress = Iterator[tuple[int, int]]


def _pictures(source: Store, target: Store) -> Progress:
    """One event of the source, one `save_extracted`: what it brought is in the blocks of its number."""
    head, done = source.head(INGEST), target.head(INGEST)
    if done > head:
        raise StoreError("The target has more ingest events than the source; copy into an empty store.")
    embedders = _embedders(source)
    while events := source.events(INGEST, after=done, limit=100):
        brought = _brought(source, events, embedders)
        for event in events:
            _copy_event(source, target, event, brought.get(event.seq, {}))
        done = events[-1].seq
        yield done, head


def _embedders(source: Store) -> set[str]:
    """Tags of every embedder whose vectors the store may hold."""
    tags = {version.embedder for version in every(lambda cursor: source.model_versions(cursor=cursor))}
    tags |= {face.embedder for face in every(lambda cursor: source.faces(cursor=cursor, limit=5000))}
    after = 0
    while events := source.events(INGEST, after=after):
        tags |= {event.payload.get("embedder", "") for event in events}
        after = events[-1].seq
    return tags - {""}


Brought = dict[FaceKey, tuple[str, FloatArray]]  #: embedder and vector


def _brought(source: Store, events: Sequence[Event], embedders: set[str]) -> dict[int, Brought]:
    found: dict[int, Brought] = defaultdict(dict)
    for embedder in sorted(embedders):
        for block in source.embedding_blocks(
            after_seq=events[0].seq - 1, through_seq=events[-1].seq, embedder=embedder
        ):
            for key, vector in zip(block.keys, block.vectors, strict=True):
                found[block.ingest_seq][key] = (embedder, vector)
    return found


def _copy_event(source: Store, target: Store, event: Event, brought: Brought) -> None:
    ids = list(event.payload.get("images", ())) if event.kind == PICTURES_INGESTED else []
    images, faces = source.images_by_id(ids), source.faces_of(ids)
    by_image: dict[str, dict[int, tuple[str, FloatArray]]] = defaultdict(dict)
    for key, embedded in brought.items():
        by_image[key.image_id][key.face_no] = embedded
    batch = [_extracted(images[i], faces.get(i, ()), by_image.get(i, {})) for i in ids if i in images]
    saved = target.save_extracted(batch, actor=event.actor, at=event.at, command_id=event.command_id) if batch else None
    if saved is None or saved.ingest_seq is None:  # it brought nothing that is left; its number must not go missing
        target.record(INGEST, [_again(event)])
    elif saved.ingest_seq != event.seq:
        raise StoreError("The target gives ingest events other numbers than the source; copy into an empty store.")


def _extracted(image: Image, faces: Sequence[Face], vectors: Mapping[int, tuple[str, FloatArray]]) -> ExtractedImage:
    """The picture with the faces one event brought: numbers come out as they were, because they are given in order."""
    found = [
        NewFace(
            box=face.box,
            landmarks=face.landmarks,
            score=face.score,
            quality=face.quality,
            embedding=vectors[face.face_no][1],
        )
        for face in faces
        if face.face_no in vectors
    ]
    first = next((face for face in faces if face.face_no in vectors), None)
    return ExtractedImage(
        image=replace(_extraction_of(image), detector=first.detector if first else image.detector),
        embedder=vectors[first.face_no][0] if first else "",
        faces=tuple(found),
    )


def _paths_and_tags(source: Store, target: Store) -> Progress:
    """Paths, and the tags of the last extraction where it found nothing new."""
    done, counted = 0, source.count_images()
    total = counted["faces"] + counted["no_face"]
    for images in every_page(lambda cursor: source.images(cursor=cursor, limit=BATCH)):
        paths = source.paths_of([image.image_id for image in images])
        target.add_paths([path for of_image in paths.values() for path in of_image])
        copied = target.images_by_id([image.image_id for image in images])
        extracted = [_extraction_of(image) for image in images]  # a deletion comes with its label event
        behind = [image for image in extracted if copied.get(image.image_id) != image]
        for image in behind:
            tags = {path.extractor for path in paths.get(image.image_id, ()) if path.extractor}
            embedder = next(iter(sorted(tags)), ", ").rpartition(", ")[2]
            again = ExtractedImage(image=image, embedder=embedder, faces=())
            target.save_extracted([again], actor="copy_store", at=image.ingested_at, command_id=_COPY_COMMAND)
        done += len(images)
        yield done, total


def _extraction_of(image: Image) -> Image:
    """The picture as extraction left it, whether or not it was deleted since."""
    return replace(image, status=ImageStatus.FACES if image.n_faces else ImageStatus.NO_FACE)


#: Command of writes that make no event.
_COPY_COMMAND = "00000000-0000-0000-0000-000000000000"


# ---- labels ----------------------------------------------------------------------------------------------------------


def _again(event: Event) -> RecordedEvent:
    return RecordedEvent(
        kind=event.kind,
        actor=event.actor,
        at=event.at,
        command_id=event.command_id,
        payload=event.payload,
        recorded_id=event.event_id,
    )


def _label_events(source: Store, target: Store) -> Progress:
    head, done = source.head(LABELS), target.head(LABELS)
    target.repair()
    while events := source.events(LABELS, after=done, limit=100):
        recorded = target.record(LABELS, [_again(event) for event in events])
        if [event.seq for event in recorded] != [event.seq for event in events]:
            raise StoreError("The target's log of labels holds something else; copy into an empty store.")
        done = events[-1].seq
        yield done, head


def _truths(source: Store, target: Store) -> Progress:
    batch, done = [], 0
    for truth in source.truths():
        batch.append(truth)
        if len(batch) == BATCH:
            target.put_truths(batch)
            done, batch = done + len(batch), []
            yield done, done
    if batch:
        target.put_truths(batch)
        yield done + len(batch), done + len(batch)


# ---- versions and predictions ----------------------------------------------------------------------------------------


def _versions(source: Store, target: Store) -> Progress:
    versions = list(every(lambda cursor: source.model_versions(cursor=cursor)))[::-1]
    for version in versions:
        if target.model_version(version.version) is None:
            added = target.add_model_version(version)
            if added.version != version.version:
                raise StoreError("The target numbers versions otherwise; copy into an empty store.")
        else:
            target.update_model_version(version)
        yield version.version, len(versions)


def _predictions(source: Store, target: Store) -> Progress:
    """Pages and fresh rows of every version that has them; then the champion, so readers find its pages."""
    published = [
        version.version
        for version in every(lambda cursor: source.model_versions(cursor=cursor))
        if source.fresh_through(version.version)
    ]
    for done, version in enumerate(published, start=1):
        people = [persona.persona_id for persona in every(lambda cursor: source.personas(cursor=cursor))]
        for persona_id in {*people, *source.ranked_counts(version)}:
            for kind in RankedKind:
                ranked = _all_ranked(lambda after: source.ranked(version, persona_id, kind, after=after, limit=5000))  # noqa: B023 - called at once
                if ranked:
                    target.put_ranked(version, kind, {persona_id: ranked})
            fresh = _all_ranked(lambda after: source.fresh(version, persona_id, after=after, limit=5000))  # noqa: B023 - called at once
            if fresh:
                target.add_fresh(version, {persona_id: fresh}, scored_through=0)
        target.add_fresh(version, {}, scored_through=source.fresh_through(version))
        yield done, len(published)
    ours, theirs = source.champion(), target.champion()
    if ours is not None and (theirs is None or theirs.version != ours.version):
        revision = theirs.revision if theirs else 0
        target.switch_champion(ours.version, expected_revision=revision, actor=ours.actor, at=ours.at)


def _all_ranked(read: Callable[[RankedFace | None], tuple[RankedFace, ...]]) -> list[RankedFace]:
    found: list[RankedFace] = []
    while page := read(found[-1] if found else None):
        found.extend(page)
    return found


# ---- work ------------------------------------------------------------------------------------------------------------


def _jobs(source: Store, target: Store) -> Progress:
    for done, job in enumerate(every(lambda cursor: source.jobs(cursor=cursor, limit=BATCH)), start=1):
        target.put_shares(source.shares(job.job_id))
        target.put_job(job)
        if job.wish:
            target.set_wish(job.job_id, job.wish)
        yield done, done


def _audits(source: Store, target: Store) -> Progress:
    """Oldest first; their number in the target's own cursor, because an entry has no id."""
    entries: list[Any] = list(every(lambda cursor: source.audits(cursor=cursor, limit=BATCH)))[::-1]
    for number, entry in enumerate(entries, start=1):
        if number > target.cursor(AUDITS_COPIED):
            target.add_audit(entry)
            target.advance_cursor(AUDITS_COPIED, number)
        yield number, len(entries)
