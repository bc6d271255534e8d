"""Marks of deleted pictures, and what is left of those that were erased: projected from the labels' events."""

from __future__ import annotations

from collections.abc import Collection

from personas.entities import DeletedImage, ErasedImage, Slice
from personas.projection import AllowImages, DeleteImages, EraseImages
from personas.store.sql.connection import SqlConnection, as_slice, chunks, translating
from personas.store.sql.models import DeletedImageRow, ErasedImageRow


def to_deleted(row: DeletedImageRow) -> DeletedImage:
    return DeletedImage(image_id=row.image_id, deleted_at=row.at, command_id=row.command_id)


def to_erased(row: ErasedImageRow) -> ErasedImage:
    return ErasedImage(image_id=row.image_id, erased_at=row.at, command_id=row.command_id)


class SqlMarks(SqlConnection):
    """Part of LabelStore."""

    def _delete_images(self, change: DeleteImages) -> None:
        if not change.deleted:
            self._drop_marks(set(change.image_ids) - self.erased_among(change.image_ids).keys())
            return
        self._rows(DeletedImageRow).bulk_create(
            [
                DeletedImageRow(image_id=each, at=change.at, command_id=change.command_id)
                for each in sorted(set(change.image_ids) - self.erased_among(change.image_ids).keys())
            ],
            update_conflicts=True,
            unique_fields=["image_id"],
            update_fields=["at", "command_id"],
        )

    def _erase_or_allow(self, change: EraseImages | AllowImages) -> None:
        rows = self._rows(ErasedImageRow)
        if isinstance(change, EraseImages):
            going = self._deleted_among(change.image_ids) - self.erased_among(change.image_ids).keys()
            rows.bulk_create(
                [ErasedImageRow(image_id=each, at=change.at, command_id=change.command_id) for each in sorted(going)]
            )
            return
        for chunk in chunks(change.image_ids):
            rows.filter(image_id__in=chunk).delete()

    def _drop_marks(self, image_ids: Collection[str]) -> None:
        for chunk in chunks(image_ids):
            self._rows(DeletedImageRow).filter(image_id__in=chunk).delete()

    def _deleted_among(self, image_ids: Collection[str]) -> set[str]:
        rows = self._rows(DeletedImageRow).values_list("image_id", flat=True)
        return {image_id for chunk in chunks(image_ids) for image_id in rows.filter(image_id__in=chunk)}

    @translating()
    def deleted_images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[DeletedImage]:
        rows = self._rows(DeletedImageRow).order_by("image_id")
        if cursor is not None:
            rows = rows.filter(image_id__gt=cursor)
        return as_slice(list(rows[: limit + 1]), limit, to_deleted, lambda row: row.image_id)

    @translating()
    def erased_images(self, *, cursor: str | None = None, limit: int = 100) -> Slice[ErasedImage]:
        rows = self._rows(ErasedImageRow).order_by("image_id")
        if cursor is not None:
            rows = rows.filter(image_id__gt=cursor)
        return as_slice(list(rows[: limit + 1]), limit, to_erased, lambda row: row.image_id)

    @translating()
    def erased_among(self, image_ids: Collection[str]) -> dict[str, ErasedImage]:
        rows = self._rows(ErasedImageRow)
        return {row.image_id: to_erased(row) for chunk in chunks(image_ids) for row in rows.filter(image_id__in=chunk)}
