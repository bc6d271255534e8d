"""Images, the paths they are known under, faces and embeddings, in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Count, F, QuerySet, Sum, Window
from django.db.models.functions import RowNumber

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
from personas.store.merging import KnownPicture, merge
from personas.store.packing import Packed, pack_keys, pack_vectors, unpack_keys, unpack_vectors
from personas.store.sql.connection import after_face, as_slice, chunks, parse_key, translating
from personas.store.sql.marks import SqlMarks
from personas.store.sql.models import (
    DeletedImageRow,
    EmbeddingBlockRow,
    EmbeddingRow,
    EventRow,
    FaceRow,
    ImagePathRow,
    ImageRow,
)

#: Faces in one block row: half a megabyte of vectors.
BLOCK_FACES = 1000
#: Block rows read at once: what holds about FACES_AT_ONCE (10 MB of vectors), within limits.
MIN_BLOCK_ROWS, MAX_BLOCK_ROWS, FACES_AT_ONCE = 20, 4000, 20_000
#: `find_paths` returns this many at most; whoever gets as many knows that the name says too little.
MAX_PATHS_FOUND = 20


def _first_of_each(field: str, rows: QuerySet[ImagePathRow]) -> QuerySet[ImagePathRow]:
    """At most MAX_PATHS_FOUND rows of each value, by (source, path)."""
    place = Window(RowNumber(), partition_by=[F(field)], order_by=[F("source"), F("path")])
    return rows.annotate(place=place).filter(place__lte=MAX_PATHS_FOUND).order_by("source", "path")


def _upsert(table: str, *, key: Sequence[str], fields: Sequence[str]) -> str:
    """Rows of a batch are written by hand: model instances pass every value through its field first."""
    columns = (*key, *fields)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608  names of this module
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in fields)}"
    )


_UPSERT_IMAGE = _upsert(
    "store_image",
    key=["image_id"],
    fields=["width", "height", "format", "n_bytes", "status", "n_faces", "detector", "embedder", "ingested_at"],
)
_UPSERT_FACE = _upsert(
    "store_face",
    key=["image_id", "face_no"],
    fields=["x", "y", "width", "height", "landmarks", "score", "quality", "detector", "embedder"],
)
_UPSERT_EMBEDDING = _upsert("store_embedding", key=["image_id", "face_no", "embedder"], fields=["vector"])
_UPSERT_PATH = _upsert(
    "store_image_path",
    key=["source", "path"],
    fields=["name", "image_id", "size", "mtime_ns", "sidecar", "extractor"],
)


def to_image(row: ImageRow) -> Image:
    return Image(
        image_id=row.image_id,
        width=row.width,
        height=row.height,
        format=row.format,
        n_bytes=row.n_bytes,
        status=ImageStatus(row.status),
        n_faces=row.n_faces,
        detector=row.detector,
        ingested_at=row.ingested_at,
    )


def to_face(row: FaceRow) -> Face:
    points = np.frombuffer(row.landmarks, "<f8").tolist()
    return Face(
        image_id=row.image_id,
        face_no=row.face_no,
        box=Box(row.x, row.y, row.width, row.height),
        landmarks=tuple(zip(points[::2], points[1::2], strict=True)),
        score=row.score,
        quality=row.quality,
        detector=row.detector,
        embedder=row.embedder,
    )


def face_row(face: Face) -> tuple[Any, ...]:
    landmarks = np.asarray(face.landmarks, "<f8").tobytes()
    return (*face.key, *face.box, landmarks, face.score, face.quality, face.detector, face.embedder)


def to_path(row: ImagePathRow) -> ImagePath:
    return ImagePath(
        source=row.source,
        path=row.path,
        image_id=row.image_id,
        size=row.size,
        mtime_ns=row.mtime_ns,
        sidecar=row.sidecar,
        extractor=row.extractor,
    )


def path_row(path: ImagePath) -> tuple[Any, ...]:
    name = path.path.rpartition("/")[2]
    return (path.source, path.path, name, path.image_id, path.size, path.mtime_ns, path.sidecar, path.extractor)


class SqlPictures(SqlMarks):
    """PictureStore."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._counted: tuple[tuple[str, ...], dict[str, int]] | None = None  # ends of the logs, and the counts then

    @translating()
    def save_extracted(
        self, batch: Sequence[ExtractedImage], *, actor: str, at: datetime, command_id: str
    ) -> SavedBatch:
        with self._transaction():
            last = self._lock_head(INGEST)  # whoever else saves waits here, so nobody saves the same picture meanwhile
            batch = self._not_erased(batch)
            pictures = self._known({item.image.image_id for item in batch})
            deleted = self._deleted_among(pictures)
            for item in batch:
                image_id = item.image.image_id
                if image_id not in deleted:
                    pictures[image_id] = merge(pictures.get(image_id), item)
            written = {
                face.key: (face.embedder, picture.embeddings[face.face_no])
                for picture in pictures.values()
                for face in picture.faces
                if face.face_no in picture.embeddings
            }
            new_images = tuple(sorted(image_id for image_id, picture in pictures.items() if picture.is_new))
            ingest_seq = None
            if new_images or written:
                touched = {*new_images, *(key.image_id for key in written)}
                payload = pictures_ingested_payload(touched, [embedder for embedder, _ in written.values()])
                event = NewEvent(
                    kind=PICTURES_INGESTED, actor=actor, at=at, command_id=command_id, index=last + 1, payload=payload
                )
                ingest_seq = self._append(INGEST, last, [event])[0].seq
                self._put_blocks(written, ingest_seq)
            self._put_pictures(pictures.values())
            self._put_embeddings(written)
            self._put_paths([path for item in batch for path in item.paths])
        return SavedBatch(
            ingest_seq=ingest_seq,
            new_images=new_images,
            faces={image_id: picture.faces for image_id, picture in pictures.items()},
        )

    def _not_erased(self, batch: Sequence[ExtractedImage]) -> list[ExtractedImage]:
        erased = self.erased_among({item.image.image_id for item in batch})
        return [item for item in batch if item.image.image_id not in erased]

    def _known(self, image_ids: Collection[str]) -> dict[str, KnownPicture]:
        faces = self.faces_of(image_ids)
        return {
            row.image_id: KnownPicture(image=to_image(row), embedder=row.embedder, faces=faces.get(row.image_id, ()))
            for chunk in chunks(image_ids)
            for row in self._rows(ImageRow).filter(image_id__in=chunk)
        }

    def _put_pictures(self, pictures: Collection[KnownPicture]) -> None:
        changed = [picture for picture in pictures if picture.changed]
        self._execute_many(_UPSERT_IMAGE, [self._image_row(picture) for picture in changed])
        faces = [face for picture in changed for face in picture.faces if face.face_no in picture.embeddings]
        self._execute_many(_UPSERT_FACE, [face_row(face) for face in faces])

    def _image_row(self, picture: KnownPicture) -> tuple[Any, ...]:
        image, at = picture.image, self._adapted(picture.image.ingested_at)
        size = (image.width, image.height, image.format, image.n_bytes)
        return (image.image_id, *size, image.status.value, image.n_faces, image.detector, picture.embedder, at)

    def _put_embeddings(self, written: Mapping[FaceKey, tuple[str, FloatArray]]) -> None:
        rows = [(*key, embedder, pack_vectors([vector])) for key, (embedder, vector) in written.items()]
        self._execute_many(_UPSERT_EMBEDDING, rows)

    def _put_blocks(self, written: Mapping[FaceKey, tuple[str, FloatArray]], ingest_seq: int) -> None:
        by_embedder: dict[str, list[FaceKey]] = defaultdict(list)
        for key, (embedder, _) in sorted(written.items()):
            by_embedder[embedder].append(key)
        self._rows(EmbeddingBlockRow).bulk_create(
            EmbeddingBlockRow(
                embedder=embedder,
                ingest_seq=ingest_seq,
                part=part,
                n_faces=len(keys),
                keys=pack_keys(keys),
                vectors=pack_vectors([written[key][1] for key in keys]),
            )
            for embedder, every in by_embedder.items()
            for part, keys in enumerate(chunks(every, BLOCK_FACES))
        )

    @translating()
    def add_paths(self, paths: Sequence[ImagePath]) -> None:
        with self._transaction():
            self._put_paths(paths)

    def _put_paths(self, paths: Sequence[ImagePath]) -> None:
        distinct = {(path.source, path.path): path for path in paths}
        self._execute_many(_UPSERT_PATH, [path_row(path) for path in distinct.values()])

    @translating()
    def known_paths(self, source: str, *, cursor: str | None = None, limit: int = 5000) -> Slice[ImagePath]:
        rows = self._rows(ImagePathRow).filter(source=source).order_by("path")
        if cursor is not None:
            rows = rows.filter(path__gt=cursor)
        return as_slice(list(rows[: limit + 1]), limit, to_path, lambda row: row.path)

    @translating()
    def paths_of(self, image_ids: Collection[str]) -> dict[str, tuple[ImagePath, ...]]:
        found: dict[str, list[ImagePath]] = defaultdict(list)
        for chunk in chunks(image_ids):
            for row in self._rows(ImagePathRow).filter(image_id__in=chunk).order_by("source", "path"):
                found[row.image_id].append(to_path(row))
        return {image_id: tuple(paths) for image_id, paths in found.items()}

    @translating()
    def find_paths(self, name: str) -> tuple[ImagePath, ...]:
        return self.find_paths_many([name]).get(name, ())

    @translating()
    def find_paths_many(self, names: Collection[str]) -> dict[str, tuple[ImagePath, ...]]:
        found: dict[str, list[ImagePath]] = defaultdict(list)
        rows = self._rows(ImagePathRow)
        for chunk in chunks(names):
            last_parts = {name.rpartition("/")[2] for name in chunk}  # these have an index
            for row in _first_of_each("path", rows.filter(path__in=chunk, name__in=last_parts)):
                found[row.path].append(to_path(row))
            for row in _first_of_each("name", rows.filter(name__in=last_parts & set(chunk) - set(found))):
                found[row.name].append(to_path(row))
        return {name: tuple(paths) for name, paths in found.items()}

    @translating()
    def images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[Image]:
        rows = self._rows(ImageRow).order_by("image_id")
        if cursor is not None:
            rows = rows.filter(image_id__gt=cursor)
        page = list(rows[: limit + 1])
        deleted = self._deleted_among([row.image_id for row in page])
        return as_slice(page, limit, lambda row: marked(to_image(row), deleted), lambda row: row.image_id)

    @translating()
    def images_by_id(self, image_ids: Collection[str]) -> dict[str, Image]:
        rows = self._rows(ImageRow)
        found = [to_image(row) for chunk in chunks(image_ids) for row in rows.filter(image_id__in=chunk)]
        deleted = self._deleted_among([image.image_id for image in found])
        return {image.image_id: marked(image, deleted) for image in found}

    @translating()
    def count_images(self) -> dict[str, int]:
        """What is counted changes by events only, so it is counted once until one comes."""
        ends = self._ends()  # before the count: it then holds at least what these events made
        counted = self._counted
        if counted is None or counted[0] != ends:
            counted = self._counted = (ends, self._count_images())
        return dict(counted[1])

    def _ends(self) -> tuple[str, ...]:
        """Ids of the last events of both logs. A number would not do: after a rollback another event has it."""
        last = (self._rows(EventRow).filter(stream=stream).order_by("-seq")[:1] for stream in (INGEST, LABELS))
        return tuple(event_id for rows in last for event_id in rows.values_list("event_id", flat=True))

    def _count_images(self) -> dict[str, int]:
        counts = {status.value: 0 for status in ImageStatus} | {"faces_total": 0}
        rows = self._rows(ImageRow).values("status").annotate(n=Count("*"), faces=Sum("n_faces")).order_by()
        for row in rows:
            counts[row["status"]] = row["n"]
            counts["faces_total"] += row["faces"]
        counts[ImageStatus.DELETED.value] = self._rows(DeletedImageRow).count()
        return counts

    @translating()
    def faces(self, *, cursor: str | None = None, limit: int = 1000) -> Slice[Face]:
        rows = self._rows(FaceRow).order_by("image_id", "face_no")
        if cursor is not None:
            rows = after_face(rows, parse_key(cursor))
        return as_slice(list(rows[: limit + 1]), limit, to_face, lambda row: f"{row.image_id}:{row.face_no}")

    @translating()
    def faces_of(self, image_ids: Collection[str]) -> dict[str, tuple[Face, ...]]:
        found: dict[str, list[Face]] = defaultdict(list)
        for chunk in chunks(image_ids):
            for row in self._rows(FaceRow).filter(image_id__in=chunk).order_by("image_id", "face_no"):
                found[row.image_id].append(to_face(row))
        return {image_id: tuple(faces) for image_id, faces in found.items()}

    @translating()
    def embeddings_of(self, keys: Collection[FaceKey], *, embedder: str | None = None) -> dict[FaceKey, FloatArray]:
        wanted = set(keys)
        found: dict[FaceKey, FloatArray] = {}
        for chunk in chunks(sorted({key.image_id for key in wanted})):
            vectors = self._rows(EmbeddingRow).filter(image_id__in=chunk)
            current: dict[FaceKey, str] = {}
            if embedder is not None:
                vectors = vectors.filter(embedder=embedder)
            else:
                tags = self._rows(FaceRow).filter(image_id__in=chunk).values_list("image_id", "face_no", "embedder")
                current = {FaceKey(image_id, face_no): tag for image_id, face_no, tag in tags}
            for image_id, face_no, tag, vector in vectors.values_list("image_id", "face_no", "embedder", "vector"):
                key = FaceKey(image_id, face_no)
                if key in wanted and current.get(key, tag) == tag:
                    found[key] = unpack_vectors(vector, 1)[0]
        return found

    def embedding_blocks(self, *, after_seq: int, through_seq: int, embedder: str) -> Iterator[EmbeddingBlock]:
        rows = self._rows(EmbeddingBlockRow).filter(embedder=embedder, ingest_seq__lte=through_seq)
        columns = rows.order_by("ingest_seq", "part").values_list("ingest_seq", "part", "n_faces", "keys", "vectors")
        seq, part, limit = after_seq + 1, -1, MIN_BLOCK_ROWS
        while True:
            with translating():
                page = list(columns.filter(ingest_seq__gte=seq).exclude(ingest_seq=seq, part__lte=part)[:limit])
            yield from _to_blocks(embedder, page)
            if len(page) < limit:
                return
            seq, part = page[-1][:2]
            mean_faces = sum(row[2] for row in page) / len(page)
            limit = min(max(int(FACES_AT_ONCE / mean_faces), MIN_BLOCK_ROWS), MAX_BLOCK_ROWS)


def _to_blocks(embedder: str, page: Sequence[tuple[int, int, int, Packed, Packed]]) -> Iterator[EmbeddingBlock]:
    """Unpacked all at once: uploads leave many blocks of a single face."""
    keys = unpack_keys(b"".join(row[3] for row in page))
    vectors = unpack_vectors(b"".join(row[4] for row in page), len(keys)) if keys else np.empty((0, 0), np.float32)
    start = 0
    for ingest_seq, _, n_faces, _, _ in page:
        stop = start + n_faces
        yield EmbeddingBlock(
            bucket=0, ingest_seq=ingest_seq, embedder=embedder, keys=keys[start:stop], vectors=vectors[start:stop]
        )
        start = stop
