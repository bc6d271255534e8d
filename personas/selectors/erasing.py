"""Deleted pictures: which there are, which are due to be erased, and what was begun and not finished."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from personas.entities import DeletedImage, ErasedImage, Image, ImagePath, Slice
from personas.errors import NotFoundError
from personas.store.base import Store
from personas.store.paging import every_page

#: Cursor: the event that closed the last erasure. Trainers compare theirs with it.
ERASED_CURSOR = "erased"
#: Cursor: no version but the one in use holds anything of what was erased up to this event.
WITHDRAWN_CURSOR = "withdrawn"
#: Cursor: the revision of the champion when versions were last looked through for what was erased.
LOOKED_THROUGH_CURSOR = "looked_through"
#: Marks read at once.
MARKS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedPicture:
    """A deleted picture, and until when its deletion can be taken back."""

    image: Image
    paths: tuple[ImagePath, ...]
    deleted: DeletedImage
    erased_from: datetime  #: a sweep erases it from then on


def deleted_pictures(
    store: Store, *, kept: timedelta, cursor: str | None = None, limit: int = 60
) -> Slice[DeletedPicture]:
    """Deleted pictures that are not erased yet, by id. The cursor is the store's; a page may be short."""
    marks = store.deleted_images(cursor=cursor, limit=limit)
    ids = [mark.image_id for mark in marks.items]
    images, paths, erased = store.images_by_id(ids), store.paths_of(ids), store.erased_among(ids)
    items = tuple(
        DeletedPicture(
            image=images[mark.image_id],
            paths=paths.get(mark.image_id, ()),
            deleted=mark,
            erased_from=mark.deleted_at + kept,
        )
        for mark in marks.items
        if mark.image_id in images and mark.image_id not in erased
    )
    return Slice(items=items, next_cursor=marks.next_cursor)


def deleted_picture(store: Store, image_id: str, *, kept: timedelta) -> DeletedPicture:
    """Raises NotFoundError, which says so when it was erased."""
    found = deleted_pictures(store, kept=kept, cursor=_before(image_id), limit=1).items
    if found and found[0].image.image_id == image_id:
        return found[0]
    if erased := store.erased_among([image_id]):
        raise NotFoundError(erased_words(list(erased.values())))
    raise NotFoundError("There is no deleted picture here; it may have been restored. Look among the pictures.")


def is_marked(store: Store, image_id: str) -> bool:
    """Whether the picture is deleted, or being erased."""
    return any(mark.image_id == image_id for mark in store.deleted_images(cursor=_before(image_id), limit=1).items)


def _before(image_id: str) -> str | None:
    """The cursor of a page that begins with this picture."""
    return f"{int(image_id, 16) - 1:064x}" if int(image_id, 16) else None


def erased_words(erased: Collection[ErasedImage]) -> str:
    """What somebody is told who asks for erased pictures."""
    last = max(one.erased_at for one in erased)
    what = "This picture was" if len(erased) == 1 else f"{len(erased)} pictures were"
    return f"{what} erased for good on {last:%-d %B %Y}."


def due_images(store: Store, *, deleted_before: datetime) -> Iterator[str]:
    """Pictures that were deleted at that time or before and that nobody has begun to erase."""
    for marks in every_page(lambda cursor: store.deleted_images(cursor=cursor, limit=MARKS_AT_ONCE)):
        old = [mark.image_id for mark in marks if mark.deleted_at <= deleted_before]
        yield from sorted(set(old) - store.erased_among(old).keys()) if old else ()


def unfinished(store: Store) -> dict[str, str]:
    """Pictures that are being erased, with the command that does it."""
    found: dict[str, str] = {}
    for marks in every_page(lambda cursor: store.deleted_images(cursor=cursor, limit=MARKS_AT_ONCE)):
        erased = store.erased_among([mark.image_id for mark in marks])
        found |= {image_id: one.command_id for image_id, one in erased.items()}
    return found


def withdrawal_is_due(store: Store) -> bool:
    """Whether versions that learnt from what was erased may be left, but for the one in use.

    What that one holds stays until another is in use; so at each of its revisions versions are looked through once.
    """
    if store.cursor(WITHDRAWN_CURSOR) >= store.cursor(ERASED_CURSOR):
        return False
    champion = store.champion()
    return store.cursor(LOOKED_THROUGH_CURSOR) < (champion.revision if champion else 0)


def erasing_is_due_at(store: Store, *, now: datetime, kept: timedelta) -> datetime | None:
    """When there is something to erase, or to finish: `now` where there is already; None: never, as things stand.

    Reads the marks there are, until one is due. An erasure takes its marks along, so they are those of pictures that
    can be restored yet, however many were ever deleted.
    """
    first: datetime | None = None
    for marks in every_page(lambda cursor: store.deleted_images(cursor=cursor, limit=MARKS_AT_ONCE)):
        earliest = min(mark.deleted_at for mark in marks) + kept
        if earliest <= now or store.erased_among([mark.image_id for mark in marks]):
            return now
        first = earliest if first is None else min(first, earliest)
    return first
