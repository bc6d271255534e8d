"""Marks of deleted pictures, and what is left of those that were erased: projected from the labels' events."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from personas.entities import DeletedImage, ErasedImage, Slice
from personas.projection import AllowImages, DeleteImages, EraseImages
from personas.store.cassandra import statements as cql
from personas.store.cassandra.base import SPACE, CassandraBase, as_slice
from personas.store.cassandra.session import CqlRow
from personas.store.cassandra.values import chunks, from_micros, parse_key, to_micros

#: The stamp of marks that were made before marks had a time: before that of any event.
OLD_STAMP = 0
#: Stretches of all ids: each begins behind its first text and ends before its second. All marks lie in one partition. A
#: node refuses a read that steps over more than 100,000 that were taken away (`tombstone_failure_threshold`), and keeps
#: each for ten days (`gc_grace_seconds`); so no read goes through more than one stretch.
STRETCHES = tuple((digit, f"{digit}g") for digit in "0123456789abcdef")


def to_deleted(row: CqlRow) -> DeletedImage:
    return DeletedImage(image_id=row.image_id, deleted_at=from_micros(row.at), command_id=row.command_id)


def to_erased(row: CqlRow) -> ErasedImage:
    return ErasedImage(image_id=row.image_id, erased_at=from_micros(row.at), command_id=row.command_id)


class CassandraMarks(CassandraBase):
    """Part of LabelStore."""

    def _delete_images(self, change: DeleteImages, seq: int) -> None:
        if not change.deleted:
            self._drop_marks(set(change.image_ids) - self.erased_among(change.image_ids).keys(), seq)
            return
        going = set(change.image_ids) - self.erased_among(change.image_ids).keys()
        self._session.run_many(cql.PUT_DELETED, _marks(change, going, seq))

    def _erase_or_allow(self, change: EraseImages | AllowImages, seq: int) -> None:
        if isinstance(change, EraseImages):
            going = self._deleted_among(change.image_ids) - self.erased_among(change.image_ids).keys()
            self._session.run_many(cql.PUT_ERASED, _marks(change, going, seq))
            return
        gone = [{"space": SPACE, "image_id": image_id, "stamp": seq} for image_id in change.image_ids]
        self._session.run_many(cql.DROP_ERASED, gone)

    def _drop_marks(self, image_ids: Collection[str], seq: int) -> None:
        gone = [{"space": SPACE, "image_id": image_id, "stamp": seq} for image_id in image_ids]
        self._session.run_many(cql.DROP_DELETED, gone)

    def keep_old_marks(self, *, at: datetime) -> None:
        """Bring marks along that were made without a time: their pictures count as deleted now."""
        old = [row.image_id for row in self._session.rows(cql.OLD_DELETED, space=SPACE)]
        deleted = DeleteImages(image_ids=tuple(old), deleted=True, at=at, command_id="")
        self._session.run_many(cql.PUT_DELETED, _marks(deleted, old, OLD_STAMP))

    def _deleted_among(self, image_ids: Collection[str]) -> set[str]:
        params = [{"space": SPACE, "image_ids": chunk} for chunk in chunks(image_ids)]
        return {row.image_id for rows in self._session.rows_many(cql.DELETED_AMONG, params) for row in rows}

    def _deleted_between(self, first: str, last: str) -> set[str]:
        return {row.image_id for row in self._session.rows(cql.DELETED_BETWEEN, space=SPACE, first=first, last=last)}

    def _count_deleted(self) -> int:
        stretches = [{"space": SPACE, "first": first, "last": until} for first, until in STRETCHES]
        return sum(map(len, self._session.rows_many(cql.DELETED_BETWEEN, stretches)))

    def deleted_images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[DeletedImage]:
        after, most = _after(cursor), limit + 1
        reads = (
            ({"space": SPACE, "after": max(after, first), "until": until, "rows": most}, most)
            for first, until in STRETCHES
            if after < until
        )
        rows: list[CqlRow] = []
        for found in self._session.stream(cql.DELETED_AFTER, reads):
            rows += found[: most - len(rows)]
            if len(rows) == most:
                break
        return as_slice(rows, limit, to_deleted, lambda row: str(row.image_id))

    def erased_images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[ErasedImage]:
        rows = self._session.rows(cql.ERASED_AFTER, space=SPACE, after=_after(cursor), rows=limit + 1)
        return as_slice(rows, limit, to_erased, lambda row: str(row.image_id))

    def erased_among(self, image_ids: Collection[str]) -> dict[str, ErasedImage]:
        params = [{"space": SPACE, "image_ids": chunk} for chunk in chunks(image_ids)]
        found = [row for rows in self._session.rows_many(cql.ERASED_AMONG, params) for row in rows]
        return {row.image_id: to_erased(row) for row in found}


def _after(cursor: str | None) -> str:
    """Raises NotFoundError."""
    return parse_key(f"{cursor}:0").image_id if cursor is not None else ""


def _marks(change: DeleteImages | EraseImages, image_ids: Collection[str], seq: int) -> list[dict[str, object]]:
    said = {"space": SPACE, "at": to_micros(change.at), "command_id": change.command_id, "stamp": seq}
    return [{**said, "image_id": image_id} for image_id in sorted(image_ids)]
