"""Images, faces and embeddings. See `claims` for who may write them, `paths` for where pictures were found."""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from personas.entities import (
    INGEST,
    LABELS,
    Box,
    EmbeddingBlock,
    ExtractedImage,
    Face,
    FaceKey,
    FloatArray,
    Image,
    ImagePath,
    ImageStatus,
    NewEvent,
    Slice,
)
from personas.store.base import PICTURES_INGESTED, SavedBatch, marked, pictures_ingested_payload
from personas.store.cassandra import claims
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import as_slice
from personas.store.cassandra.claims import CassandraClaims, Claimed
from personas.store.cassandra.log import EVENTS_A_CHUNK, Tally, chunk_of, projected
from personas.store.cassandra.paths import CassandraPaths
from personas.store.cassandra.session import CqlRow, Write
from personas.store.cassandra.values import chunks, from_micros, parse_key
from personas.store.packing import pack_keys, pack_vectors, unpack_keys, unpack_vectors

#: Faces in one block row: half a megabyte of vectors.
BLOCK_FACES = 1000
#: Faces in one read of blocks, about: 8 MB, which a node reads into its heap as a whole.
FACES_AT_ONCE = 15_000

Vectors = Mapping[FaceKey, tuple[str, FloatArray]]  #: embedder and vector of faces


def to_image(row: CqlRow) -> Image:
    return Image(
        image_id=row.image_id,
        width=row.width,
        height=row.height,
        format=row.format,
        n_bytes=row.n_bytes,
        status=ImageStatus(row.status),
        n_faces=row.n_faces,
        detector=row.detector,
        ingested_at=from_micros(row.ingested_at),
    )


def to_face(row: CqlRow) -> Face:
    points = np.frombuffer(row.landmarks, "<f8").tolist()
    return Face(
        image_id=row.image_id,
        face_no=row.face_no,
        box=Box(*row.box),
        landmarks=tuple(zip(points[::2], points[1::2], strict=True)),
        score=row.score,
        quality=row.quality,
        detector=row.detector,
        embedder=row.embedder,
    )


class CassandraPictures(CassandraPaths, CassandraClaims):
    """PictureStore."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._full_tallies: dict[int, Tally] = {}  # of chunks of the ingest log that can change no more
        self._counted_deleted: tuple[int, int] = (-1, 0)  # up to which event of the labels, and how many they were

    def save_extracted(
        self, batch: Sequence[ExtractedImage], *, actor: str, at: datetime, command_id: str
    ) -> SavedBatch:
        claimant, started = str(uuid.uuid4()), time.monotonic()
        deleted = self._deleted_in(batch)
        pictures, claimed = self._claim([item for item in batch if item.image.image_id not in deleted], claimant)
        written = {
            face.key: (face.embedder, one.picture.embeddings[face.face_no])
            for one in claimed.values()
            for face in one.picture.faces
            if face.face_no in one.picture.embeddings
        }
        kept = {*pictures, *deleted}
        paths = [path for item in batch if item.image.image_id in kept for path in item.paths]
        self._put_faces(claimed, paths)
        if time.monotonic() - started > claims.CLAIM_SECONDS / 3:
            self._still_claimed(claimed, claimant)
        new_images = tuple(sorted(image_id for image_id, one in claimed.items() if one.picture.is_new))
        ingest_seq = None
        if new_images or written:
            touched = {*new_images, *(key.image_id for key in written)}
            payload = pictures_ingested_payload(touched, [embedder for embedder, _ in written.values()])
            tally = (0, 0, 0)
            for one in claimed.values():
                tally = (tally[0] + one.tally[0], tally[1] + one.tally[1], tally[2] + one.tally[2])
            event = NewEvent(kind=PICTURES_INGESTED, actor=actor, at=at, command_id=command_id, payload=payload)
            ingest_seq = self._append_with_blocks(event, written, tally, claimant)
        # Whoever repeats a batch that was cut short passes over pictures that are seen, and then over paths that are
        # known: neither may be before the picture is in the log.
        self._announce(claimed)
        self._session.run_batches(self._path_rows(paths))
        faces = {image_id: picture.faces for image_id, picture in pictures.items()}
        if deleted:
            faces |= dict.fromkeys(deleted, ()) | self.faces_of(deleted)
        return SavedBatch(ingest_seq=ingest_seq, new_images=new_images, faces=faces)

    def _deleted_in(self, batch: Sequence[ExtractedImage]) -> Collection[str]:
        """Those that are deleted and can come back."""
        marked_so = self._deleted_among({item.image.image_id for item in batch})
        return self.images_by_id(marked_so.difference(self.erased_among(marked_so))) if marked_so else ()

    def _put_faces(self, claimed: Mapping[str, Claimed], paths: Sequence[ImagePath]) -> None:
        """What goes before the event, all at once: faces, embeddings, and what points to the paths. A picture that is
        seen has its faces."""
        writes = list(self._pointers(paths))
        for image_id, one in claimed.items():
            bucket = self._bucket(image_id)
            where = {"bucket": bucket, "image_id": image_id, "stamp": one.revision}
            for face in one.picture.faces:
                vector = one.picture.embeddings.get(face.face_no)
                if vector is not None:
                    writes.append(Write(bucket, cql.PUT_FACE, {**where, **_face_columns(face)}))
                    embedding = {"face_no": face.face_no, "embedder": face.embedder, "vector": pack_vectors([vector])}
                    writes.append(Write(bucket, cql.PUT_EMBEDDING, {**where, **embedding}))
        self._session.run_batches(writes)

    def _append_with_blocks(self, event: NewEvent, written: Vectors, tally: Tally, claimant: str) -> int:
        """The blocks are written before the event that makes them count, under the number it is about to take."""
        tried: list[tuple[int, str]] = []

        def event_at(seq: int) -> NewEvent:
            # The number within the command is the event's own: a command saves many batches, in several processes.
            numbered = NewEvent(
                kind=event.kind,
                actor=event.actor,
                at=event.at,
                command_id=event.command_id,
                payload=event.payload,
                index=(seq << 64) | _batch_number(event.payload["images"]),
            )
            self._put_blocks(written, seq, numbered.event_id)
            tried.append((seq, numbered.event_id))
            return numbered

        seq = self._append(INGEST, event_at, last=self.head(INGEST), tally=tally, claimant=claimant)
        lost = [
            {"chunk": chunk_of(number), "seq": number, "event_id": event_id, "stamp": cql.BLOCK_DROPPED}
            for number, event_id in tried
            if number != seq and written
        ]
        self._session.run_many(cql.DROP_BLOCKS, lost)
        return seq

    def _put_blocks(self, written: Vectors, seq: int, event_id: str) -> None:
        by_embedder: dict[str, list[FaceKey]] = defaultdict(list)
        for key, (embedder, _) in sorted(written.items(), key=lambda item: item[0]):
            by_embedder[embedder].append(key)
        self._session.run_many(
            cql.PUT_BLOCK,
            [
                {
                    "chunk": chunk_of(seq),
                    "seq": seq,
                    "event_id": event_id,
                    "embedder": embedder,
                    "part": part,
                    "n_faces": len(keys),
                    "face_keys": pack_keys(keys),
                    "vectors": pack_vectors([written[key][1] for key in keys]),
                    "stamp": cql.BLOCK_WRITTEN,
                }
                for embedder, every in by_embedder.items()
                for part, keys in enumerate(chunks(every, BLOCK_FACES))
            ],
        )

    # ---- reading -----------------------------------------------------------------------------------------------------

    def images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[Image]:
        after = cursor or ""
        if cursor is not None:
            parse_key(f"{cursor}:0")
        rows = self._in_order(
            cql.IMAGES,
            limit=limit,
            first_bucket=self._bucket(after) if after else 0,
            first={"after": after},
            then={"after": ""},
        )
        found = as_slice(rows, limit, to_image, lambda row: str(row.image_id))
        if not found.items:
            return found
        first, last = found.items[0].image_id, found.items[-1].image_id
        deleted = self._deleted_between(first, last)
        return Slice(items=tuple(marked(image, deleted) for image in found.items), next_cursor=found.next_cursor)

    def images_by_id(self, image_ids: Collection[str]) -> dict[str, Image]:
        found = {row.image_id: to_image(row) for row in self._of_images(cql.IMAGES_BY_ID, image_ids)}
        self._looked_in_vain(image_id for image_id in image_ids if image_id not in found)
        deleted = self._deleted_among(found)
        return {image_id: marked(image, deleted) for image_id, image in found.items()}

    def count_images(self) -> dict[str, int]:
        """The changes that the ingest log tells, added up; those of full partitions are remembered.

        Marks change by label events only: they are counted once until one is projected.
        """
        head, total = self.head(INGEST), [0, 0, 0]
        for chunk in range(chunk_of(head) + 1) if head else ():
            tally = self._full_tallies.get(chunk)
            if tally is None:
                rows = self._session.rows(cql.TALLIES, stream=INGEST, chunk=chunk)
                tally = (
                    sum(row.with_faces for row in rows),
                    sum(row.without_faces for row in rows),
                    sum(row.n_faces for row in rows),
                )
                if len(rows) == EVENTS_A_CHUNK:
                    self._full_tallies[chunk] = tally
            total = [so_far + more for so_far, more in zip(total, tally, strict=True)]
        return {
            ImageStatus.FACES.value: total[0],
            ImageStatus.NO_FACE.value: total[1],
            ImageStatus.DELETED.value: self._remembered_deleted(),
            "faces_total": total[2],
        }

    def _remembered_deleted(self) -> int:
        through = self.cursor(projected(LABELS))  # before the count: it then holds at least what these events made
        known, deleted = self._counted_deleted
        if known != through:
            deleted = self._count_deleted()
            self._counted_deleted = (through, deleted)
        return deleted

    def faces(self, *, cursor: str | None = None, limit: int = 1000) -> Slice[Face]:
        key = FaceKey("", -1) if cursor is None else parse_key(cursor)
        rows = self._in_order(
            cql.FACES,
            limit=limit,
            first_bucket=self._bucket(key.image_id) if key.image_id else 0,
            first=key._asdict(),
            then=FaceKey("", -1)._asdict(),
        )
        return as_slice(rows, limit, to_face, lambda row: f"{row.image_id}:{row.face_no}")

    def faces_of(self, image_ids: Collection[str]) -> dict[str, tuple[Face, ...]]:
        found: dict[str, list[Face]] = defaultdict(list)
        for row in self._of_images(cql.FACES_OF, image_ids):
            found[row.image_id].append(to_face(row))
        return {image_id: tuple(faces) for image_id, faces in found.items()}

    def embeddings_of(self, keys: Collection[FaceKey], *, embedder: str | None = None) -> dict[FaceKey, FloatArray]:
        wanted = set(keys)
        image_ids = {key.image_id for key in wanted}
        current: dict[FaceKey, str] = {}
        if embedder is None:
            tags = self._of_images(cql.FACE_TAGS, image_ids)
            current = {FaceKey(row.image_id, row.face_no): row.embedder for row in tags}
        found = {}
        for row in self._of_images(cql.EMBEDDINGS_OF, image_ids):
            key = FaceKey(row.image_id, row.face_no)
            if key in wanted and row.embedder == (current.get(key) if embedder is None else embedder):
                found[key] = unpack_vectors(row.vector, 1)[0]
        return found

    def embedding_blocks(self, *, after_seq: int, through_seq: int, embedder: str) -> Iterator[EmbeddingBlock]:
        after, through = max(after_seq, 0), min(through_seq, self.head(INGEST))
        while after < through:
            end = min(through, (chunk_of(after + 1) + 1) * EVENTS_A_CHUNK)
            between: dict[str, Any] = {"chunk": chunk_of(after + 1), "after": after, "through": end}
            ids = {row.seq: row.event_id for row in self._session.rows(cql.EVENT_IDS, stream=INGEST, **between)}
            for rows in self._session.stream(cql.BLOCKS, self._block_reads(between)):
                counting = [row for row in rows if row.embedder == embedder and ids.get(row.seq) == row.event_id]
                yield from _to_blocks(embedder, counting)
            after = end

    def _block_reads(self, between: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
        """Reads of about FACES_AT_ONCE faces each, however large the blocks: uploads leave blocks of a single face."""
        n_faces = n_rows = 0
        after = last = between["after"]
        for row in self._session.rows(cql.BLOCK_SIZES, **between):
            if n_faces >= FACES_AT_ONCE and row.seq > last:
                yield {**between, "after": after, "through": last}, _page_rows(n_rows, n_faces)
                after, n_faces, n_rows = last, 0, 0
            n_faces, n_rows, last = n_faces + row.n_faces, n_rows + 1, row.seq
        if n_rows:
            yield {**between, "after": after}, _page_rows(n_rows, n_faces)


def _page_rows(n_rows: int, n_faces: int) -> int:
    """All at once, unless one batch was very large."""
    return n_rows if n_faces <= 3 * FACES_AT_ONCE else FACES_AT_ONCE // BLOCK_FACES


def _to_blocks(embedder: str, rows: Sequence[CqlRow]) -> Iterator[EmbeddingBlock]:
    """Unpacked all at once: uploads leave many blocks of a single face."""
    keys = unpack_keys(b"".join(row.face_keys for row in rows))
    vectors = unpack_vectors(b"".join(row.vectors for row in rows), len(keys)) if keys else np.empty((0, 0), np.float32)
    start = 0
    for row in rows:
        stop = start + row.n_faces
        yield EmbeddingBlock(
            bucket=0, ingest_seq=row.seq, embedder=embedder, keys=keys[start:stop], vectors=vectors[start:stop]
        )
        start = stop


def _batch_number(image_ids: Sequence[str]) -> int:
    """64 bits that tell batches of one command apart."""
    return int(image_ids[0][:16], 16) if image_ids else 0


def _face_columns(face: Face) -> dict[str, Any]:
    return {
        "face_no": face.face_no,
        "box": list(face.box),
        "landmarks": np.asarray(face.landmarks, "<f8").tobytes(),
        "score": face.score,
        "quality": face.quality,
        "detector": face.detector,
        "embedder": face.embedder,
    }
