"""Erasing pictures for good, in SQL: one transaction, begun once the blocks that hold their vectors are known."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from personas.entities import INGEST, NewEvent
from personas.store.base import PICTURES_ERASED
from personas.store.packing import block_without, first_words, unpack_keys
from personas.store.sql.connection import chunks, translating
from personas.store.sql.models import (
    EmbeddingBlockRow,
    EmbeddingRow,
    FaceRow,
    FreshRow,
    ImagePathRow,
    ImageRow,
    TruthRow,
)
from personas.store.sql.pictures import SqlPictures

#: Blocks whose keys are read at once: 4 MB.
BLOCKS_AT_ONCE = 100
#: What speaks of a picture by its id and goes with it; its own row goes last.
_TABLES: tuple[type[Any], ...] = (FaceRow, EmbeddingRow, TruthRow, FreshRow, ImagePathRow, ImageRow)


class _Place(NamedTuple):
    """Where a block lies."""

    embedder: str
    ingest_seq: int
    part: int


class SqlErasing(SqlPictures):
    """Part of PictureStore."""

    @translating()
    def erase_images(self, image_ids: Collection[str], *, actor: str, at: datetime, command_id: str) -> None:
        looked_through = self.head(INGEST)
        blocks = self._blocks_with(image_ids, after=0, through=looked_through)  # without a lock: it may take seconds
        with self._transaction():
            last = self._lock_head(INGEST)
            blocks += self._blocks_with(image_ids, after=looked_through, through=last)
            for place in blocks:
                self._shrink(place, image_ids)
            present: list[str] = []
            for chunk in chunks(image_ids):
                present += self._rows(ImageRow).filter(image_id__in=chunk).values_list("image_id", flat=True)
                for rows in map(self._rows, _TABLES):
                    rows.filter(image_id__in=chunk).delete()
            if present:
                payload = {"images": sorted(present)}
                event = NewEvent(
                    kind=PICTURES_ERASED, actor=actor, at=at, command_id=command_id, index=last + 1, payload=payload
                )
                self._append(INGEST, last, [event])

    def _blocks_with(self, image_ids: Collection[str], *, after: int, through: int) -> list[_Place]:
        """Blocks that may hold faces of these pictures, among those of a run of ingest events."""
        wanted = first_words(image_ids)
        rows = self._rows(EmbeddingBlockRow).filter(ingest_seq__gt=after, ingest_seq__lte=through)
        columns = rows.order_by("embedder", "ingest_seq", "part").values_list("embedder", "ingest_seq", "part", "keys")
        return [
            _Place(embedder, ingest_seq, part)
            for embedder, ingest_seq, part, keys in columns.iterator(chunk_size=BLOCKS_AT_ONCE)
            if np.isin(unpack_keys(keys).words(), wanted).any()
        ]

    def _shrink(self, place: _Place, image_ids: Collection[str]) -> None:
        """Write a block anew, less the faces of these pictures."""
        row = self._rows(EmbeddingBlockRow).filter(**place._asdict())
        for keys, vectors in row.values_list("keys", "vectors"):
            left = block_without(keys, vectors, image_ids)
            if left is None:
                continue
            if left.n_faces:
                row.update(n_faces=left.n_faces, keys=left.keys, vectors=left.vectors)
            else:
                row.delete()
