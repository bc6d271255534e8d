"""One run over one source: list, look, extract, store, apply sidecars.

The order of writes makes a run safe to kill at any moment: original file, then picture and faces with their path, then
what the sidecar says, then the path again with the SHA-256 of that sidecar. A second run skips paths whose size, time
and extractor are the same, applies sidecars whose SHA-256 is not the path's, and does the rest again; every write is an
upsert by content, so doing it again changes nothing.

The parent process does no work on pixels: it lists, asks the store, hands out, and writes batches.
"""

from __future__ import annotations

import hashlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from ingest.detector_pause import note_pause
from ingest.flight import Flight
from ingest.known_paths import Known
from ingest.labels import Applied, Spoken, apply_sidecars, category_of
from ingest.messages import Paused
from ingest.pool import Finished, LookedAt, Pool
from ingest.rejections import CRASHED_EXTRACTION, ERASED, RejectedError, Rejection
from ingest.sources.base import Source, SourcePicture
from ingest.summary import IngestSummary, ProgressCallback, Tally
from ingest.worker import read_sidecars
from personas import metrics
from personas.crops import originals
from personas.entities import ErasedImage, ExtractedImage, Face, Image, ImagePath, ImageStatus
from personas.patience import patiently
from personas.store.base import Store

#: A batch is written when it has this many pictures …
BATCH_PICTURES = 64
#: … or its first one has waited this long, so that a slow source shows up soon and a kill loses little.
BATCH_SECONDS = 0.5
#: Where nothing is written for long, progress is told, and whoever hears it may stop the run.
TELL_SECONDS = 2.0
#: Pictures that need no reading are looked up in the store in groups of this size.
KNOWN_PICTURES = 500
_COMMANDS = uuid.UUID("c3b6a4f2-55c0-5c1e-8f8e-4b1d6f0a9e57")

Clock = Callable[[], datetime]


def _with_faces(image: Image, n_faces: int) -> Image:
    """A picture keeps the faces that other detectors found before."""
    return replace(image, n_faces=n_faces, status=ImageStatus.FACES if n_faces else ImageStatus.NO_FACE)


def _was_erased(erased: ErasedImage) -> RejectedError:
    return RejectedError(
        ERASED,
        f"This picture was erased for good on {erased.erased_at:%-d %B %Y}, so it is not taken in. To allow it again: "
        f"manage.py erase_deleted --forget {erased.image_id}",
    )


class IngestRun:
    """Everything a run remembers. Call `run` once.

    known: the paths the store has of this source, to compare with; without them every file is read (right for a few
    files of a source that is never listed as a whole).
    """

    def __init__(
        self,
        *,
        store: Store,
        source: Source,
        pool: Pool,
        actor: str,
        clock: Clock,
        progress: ProgressCallback | None = None,
        total: Callable[[], int | None] = lambda: None,
        known: Known | None = None,
    ) -> None:
        self.store = store
        self.source = source
        self.pool = pool
        self.actor = actor
        self.clock = clock
        self._report = progress
        self._total = total
        self._known = known
        self._tickets = itertools.count()
        self._flights: dict[int, Flight] = {}
        self._extracting: dict[str, int] = {}  #: content -> ticket of the file it is extracted from
        self._repeats: dict[str, list[int]] = {}  #: content -> tickets of files that wait for that
        self._crashed: dict[str, RejectedError] = {}
        self._recognised: list[Flight] = []
        self._batch: list[Flight] = []
        self._batch_began = 0.0
        self._told_at = time.monotonic()
        self._tally = Tally()

    def run(self) -> IngestSummary:
        """Raises FaceProjectError when the source or the pool as a whole fails."""
        began = time.perf_counter()
        listing = self.source.pictures()
        self._tags = self.pool.tags()
        listed_all = False
        while True:
            listed_all = listed_all or not self._take_from(listing)
            if listed_all:
                self._settle_recognised()
            self._hear(timeout=self._patience())
            if time.monotonic() - self._told_at > TELL_SECONDS:
                self._tell()  # a detector that has to wait is no reason not to be told to stop
            idle = listed_all and not self._flights and not self._recognised
            if self._batch and (idle or self._is_due()):
                self._flush()
            if idle and not self._batch and not self._flights:
                break
        self._tell()  # what was rejected after the last batch
        return self._tally.summary(self.source.name, time.perf_counter() - began)

    # -- listing -------------------------------------------------------------------------------------------------------
    def _take_from(self, listing: Iterator[SourcePicture | Rejection]) -> bool:
        """Take in what there is room for; False at the end of the listing."""
        while self.pool.room() and not self._is_due():
            item = next(listing, None)
            if item is None:
                return False
            if isinstance(item, Rejection):
                self._tally.rejections.append(item)
                continue
            flight = Flight(picture=item, known=self._known.find(item.file.path) if self._known else None)
            if self._is_unchanged(flight):
                self._recognised.append(flight)
                if len(self._recognised) >= KNOWN_PICTURES:
                    self._settle_recognised()
            else:
                self._submit(next(self._tickets), flight)
        return True

    def _is_unchanged(self, flight: Flight) -> bool:
        known, file = flight.known, flight.picture.file
        return known is not None and (known.size, known.mtime_ns, known.extractor) == (
            file.size,
            file.mtime_ns,
            str(self._tags),
        )

    def _submit(self, ticket: int, flight: Flight) -> None:
        self._flights[ticket] = flight
        self.pool.submit(ticket, flight.picture)

    def _settle_recognised(self) -> None:
        """Pictures that need no reading: count them, and see whether their sidecars say something new."""
        flights, self._recognised = self._recognised, []
        if not flights:
            return
        sidecars = read_sidecars(self.source, [flight.picture.sidecar for flight in flights])
        for flight, sidecar in zip(flights, sidecars, strict=True):
            flight.sidecar = sidecar
            self._add_to_batch(flight)
        self._flush()

    # -- the pool ------------------------------------------------------------------------------------------------------
    def _patience(self) -> float:
        if self._batch:
            return max(0.0, self._batch_began + BATCH_SECONDS - time.monotonic())
        return 0.5 if self._flights else 0.0

    def _hear(self, *, timeout: float) -> None:
        events = self.pool.events(timeout=timeout)
        looked = {event.ticket: event for event in events if isinstance(event, LookedAt)}
        self._decide([event for event in looked.values() if event.ticket in self._flights])
        for event in events:
            if isinstance(event, Finished):
                self._land(event)
            elif isinstance(event, Paused):
                patiently(note_pause, self.store, event.seconds, at=self.clock())

    def _decide(self, looked: Sequence[LookedAt]) -> None:
        """Extract what nobody has extracted; the store is asked once for all."""
        extract: list[int] = []
        keep: list[int] = []
        drop: list[int] = []
        stored = self._stored({event.seen.image_id for event in looked})
        erased = patiently(self.store.erased_among, {event.seen.image_id for event in looked}) if looked else {}
        for event in looked:
            ticket, flight, image_id = event.ticket, self._flights[event.ticket], event.seen.image_id
            if flight.seen is not None and flight.seen.image_id != image_id:
                self._release(ticket, flight)  # read again after a crash, and changed meanwhile
            flight.seen, flight.sidecar = event.seen, event.sidecar
            if image_id in self._crashed:
                drop.append(ticket)
                self._reject(ticket, self._crashed[image_id])
            elif image_id in erased:
                drop.append(ticket)
                originals().drop(image_id)  # which an earlier look may have kept while it was being erased
                self._reject(ticket, _was_erased(erased[image_id]))
            elif self._extracting.setdefault(image_id, ticket) != ticket:
                drop.append(ticket)
                self._repeats.setdefault(image_id, []).append(ticket)
            elif image_id in stored:
                keep.append(ticket)
            else:
                extract.append(ticket)
        if looked:
            self.pool.decide(extract=extract, keep=keep, drop=drop)

    def _stored(self, image_ids: set[str]) -> set[str]:
        """Those that the store has from the very extractor of this run, and deleted ones, which are not looked at."""
        if not image_ids:
            return set()
        images = patiently(self.store.images_by_id, image_ids)
        deleted = {key for key, image in images.items() if image.status is ImageStatus.DELETED}
        images = {key: image for key, image in images.items() if image.detector == self._tags.detector}
        faces = patiently(self.store.faces_of, [key for key, image in images.items() if image.n_faces])
        stale = {key for key, each in faces.items() if any(face.embedder != self._tags.embedder for face in each)}
        return (set(images) - stale) | deleted

    def _land(self, event: Finished) -> None:
        flight = self._flights.get(event.ticket)
        if flight is None:
            return
        if isinstance(event.outcome, RejectedError):
            if event.outcome.reason == CRASHED_EXTRACTION and flight.seen is not None:
                self._crashed[flight.image_id] = event.outcome
            self._release(event.ticket, flight)
            self._reject(event.ticket, event.outcome)
            return
        flight.extracted = event.outcome
        del self._flights[event.ticket]
        self._add_to_batch(flight)

    def _release(self, ticket: int, flight: Flight) -> None:
        """This file will not bring its content after all: files that repeat it go on their own."""
        if flight.seen is None or self._extracting.get(flight.image_id) != ticket:
            return
        del self._extracting[flight.image_id]
        for repeat in self._repeats.pop(flight.image_id, []):
            self._submit(repeat, self._flights[repeat])

    def _reject(self, ticket: int, error: RejectedError) -> None:
        flight = self._flights.pop(ticket)
        self._tally.rejections.append(Rejection.of(flight.path, error))
        self._tally.refused += 1

    # -- the store -----------------------------------------------------------------------------------------------------
    def _add_to_batch(self, flight: Flight) -> None:
        if not self._batch:
            self._batch_began = time.monotonic()
        self._batch.append(flight)

    def _is_due(self) -> bool:
        if not self._batch:
            return False
        return len(self._batch) >= BATCH_PICTURES or time.monotonic() - self._batch_began >= BATCH_SECONDS

    def _flush(self) -> None:
        flights, self._batch = self._batch, []
        for flight in list(flights):
            self._extracting.pop(flight.image_id, None)
            flights += [self._flights.pop(ticket) for ticket in self._repeats.pop(flight.image_id, [])]
        at = self.clock()
        images, faces = self._save([flight for flight in flights if flight.extracted is not None], at)
        flights = self._without_erased(flights, {f.image_id for f in flights if f.extracted} - images.keys())
        ids = {flight.image_id for flight in flights} - set(images)
        images |= patiently(self.store.images_by_id, ids) if ids else {}
        flights = self._without_lost(flights, images)
        unread = self._spoken_of(flights) - set(faces)
        faces |= patiently(self.store.faces_of, unread) if unread else {}
        applied = self._apply_sidecars(flights, images, faces, at)
        paths = [
            path
            for flight in flights
            if (path := self._path(flight, applied, images[flight.image_id])) != self._path_saved(flight)
        ]
        if paths:
            patiently(self.store.add_paths, paths)
        for flight in flights:
            self._tally.add_image(images[flight.image_id])
        self._tally.taken += len(flights)
        self._tell()

    def _tell(self) -> None:
        self._told_at = time.monotonic()
        if self._report:
            self._report(self._tally.progress(self._total()))

    def _save(self, flights: Sequence[Flight], at: datetime) -> tuple[dict[str, Image], dict[str, tuple[Face, ...]]]:
        """Returns pictures and faces as they are stored now, without those that were erased while they were read."""
        batch = [self._extracted_image(flight, at) for flight in flights]
        if not batch:
            return {}, {}
        facts = sorted(f"{item.image.image_id} {item.image.detector} {item.embedder}" for item in batch)
        command_id = str(uuid.uuid5(_COMMANDS, "\n".join([self.source.name, *facts])))
        saved = patiently(self.store.save_extracted, batch, actor=self.actor, at=at, command_id=command_id)
        self._tally.new += len(saved.new_images)
        metrics.PICTURES_TAKEN_IN.inc(len(saved.new_images))
        metrics.FACES_TAKEN_IN.inc(sum(len(saved.faces.get(image_id, ())) for image_id in saved.new_images))
        self._tally.extracted += len(batch)
        kept = {item.image.image_id: item.image for item in batch if item.image.image_id in saved.faces}
        faces = {image_id: saved.faces[image_id] for image_id in kept}
        return {key: _with_faces(image, len(faces[key])) for key, image in kept.items()}, faces

    def _extracted_image(self, flight: Flight, at: datetime) -> ExtractedImage:
        extracted, seen, path = flight.extracted, flight.seen, self._path_saved(flight)
        assert extracted is not None and seen is not None and path is not None
        image = Image(
            image_id=seen.image_id,
            width=extracted.width,
            height=extracted.height,
            format=extracted.format,
            n_bytes=seen.size,
            status=ImageStatus.FACES if extracted.faces else ImageStatus.NO_FACE,
            n_faces=len(extracted.faces),
            detector=self._tags.detector,
            ingested_at=at,
        )
        return ExtractedImage(image=image, embedder=self._tags.embedder, faces=extracted.faces, paths=(path,))

    def _without_erased(self, flights: list[Flight], image_ids: set[str]) -> list[Flight]:
        """What reading them has kept goes again, and no path leads to them."""
        erased = patiently(self.store.erased_among, image_ids) if image_ids else {}
        for flight in flights:
            if flight.image_id in erased:
                originals().drop(flight.image_id)
                self._tally.rejections.append(Rejection.of(flight.path, _was_erased(erased[flight.image_id])))
                self._tally.refused += 1
        return [flight for flight in flights if flight.image_id not in erased]

    def _without_lost(self, flights: list[Flight], images: dict[str, Image]) -> list[Flight]:
        """A path may outlive its picture in a store restored from parts: such a file is taken in anew."""
        for flight in flights:
            if flight.image_id not in images:
                self._submit(next(self._tickets), Flight(picture=flight.picture, known=None))
        return [flight for flight in flights if flight.image_id in images]

    def _spoken_of(self, flights: Sequence[Flight]) -> set[str]:
        return {flight.image_id for flight in flights if self._sidecar_is_news(flight)}

    def _sidecar_is_news(self, flight: Flight) -> bool:
        if isinstance(flight.sidecar, bytes):
            return hashlib.sha256(flight.sidecar).hexdigest() != flight.applied
        return flight.sidecar is not None

    def _apply_sidecars(
        self, flights: Sequence[Flight], images: dict[str, Image], faces: dict[str, tuple[Face, ...]], at: datetime
    ) -> Applied:
        batch = []
        for flight in flights:
            content = flight.sidecar
            if content is None:
                continue
            if not self._sidecar_is_news(flight):
                if (category := category_of(content)) is not None:
                    self._tally.categories[category] += 1
                continue
            assert flight.picture.sidecar is not None
            spoken = Spoken(
                path=flight.path,
                sidecar_path=flight.picture.sidecar.path,
                content=content,
                image=images[flight.image_id],
                faces=faces.get(flight.image_id, ()),
                applied=flight.applied,
            )
            batch.append(spoken)
        if not batch:
            return Applied()
        applied = patiently(apply_sidecars, store=self.store, source=self.source.name, batch=batch, at=at)
        tally = self._tally
        tally.rejections += applied.rejections
        tally.categories += applied.categories
        tally.labels += applied.labels
        tally.truths += applied.truths
        tally.kept += applied.kept
        return applied

    def _path(self, flight: Flight, applied: Applied, image: Image | None = None) -> ImagePath:
        """The path as it is to be. image: as it is stored; one that is deleted is to be looked at when it is back."""
        file, seen = flight.picture.file, flight.seen
        return ImagePath(
            source=self.source.name,
            path=flight.path,
            image_id=flight.image_id,
            size=seen.size if seen else file.size,
            mtime_ns=seen.mtime_ns if seen else file.mtime_ns,
            sidecar=applied.shas.get(flight.path, flight.applied),
            extractor="" if image is not None and image.status is ImageStatus.DELETED else str(self._tags),
        )

    def _path_saved(self, flight: Flight) -> ImagePath | None:
        """The path as it stands in the store before its sidecar is applied (None: it does not)."""
        if flight.extracted is not None:
            return self._path(flight, Applied())
        return flight.known
