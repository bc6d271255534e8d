"""Unknown people: groups of faces that nobody claims, with what was said since they were grouped overlaid.

A run of grouping leaves a file in the media folder and its hash in the record of its job. Whoever reads page after
page, or names a group that a page showed, stays with the file that page was made from; it is kept for a day.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from personas.entities import FaceKey, Job, Slice
from personas.errors import NotFoundError
from personas.face_groups import FaceGroups, GroupsCorruptError
from personas.media import MediaFolder, MediaMissingError
from personas.selectors.faces import FaceStatus, FaceView, faces_where, status_of, view_keys
from personas.store.base import Store

logger = logging.getLogger(__name__)

#: Id of the job record in which grouping says how far it is and where its file lies, and the kind of that job.
GROUPS_JOB: Final = "unknown-people"
GROUPS_KIND: Final = "group"
#: How the faces of nobody stand: a face that is not one person may still be anybody else.
UNCLAIMED: Final = frozenset({FaceStatus.UNKNOWN, FaceStatus.REJECTED})
#: Faces shown of a group among others.
SHOWN: Final = 8
#: Faces looked at for one page of groups, about: a page of very large groups is short.
LOOKED_AT: Final = 2000
#: Groups read at once when the first ones have no open faces left.
GROUPS_AT_ONCE: Final = 200
#: Grouping rests after a run, for this long or for so many times what the run took: it is no work that hurries.
REST: Final = timedelta(seconds=5)
REST_TIMES: Final = 10
#: Of a place in a file of groups.
MAX_DIGITS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group as it stands now."""

    group_id: str
    edition: str  #: names the file it was read from
    faces: tuple[FaceView, ...]  #: those shown, the most central first
    n_faces: int  #: that nobody claims yet


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupsState:
    """How far grouping is, and what it found the last time."""

    job: Job | None
    edition: str  #: "" before the first run
    n_groups: int
    n_faces: int  #: in groups, when they were made

    @property
    def busy(self) -> bool:
        return self.job is not None and not self.job.status.ended

    @property
    def tag(self) -> str:
        """Changes whenever what a page says of it does."""
        job = self.job
        return f"{self.edition[:16]}-{job.status.value}-{job.done}-{job.total}" if job else "none"


def groups_folder() -> MediaFolder:
    return MediaFolder(Path(settings.MEDIA_ROOT), "groups")


def groups_state(store: Store) -> GroupsState:
    job = store.job(GROUPS_JOB)
    detail: dict[str, Any] = dict(job.detail) if job else {}
    return GroupsState(
        job=job,
        edition=detail.get("file", ""),
        n_groups=detail.get("n_groups", 0),
        n_faces=detail.get("n_faces", 0),
    )


def grouping_is_due(job: Job | None, *, revision: int, ingested: int, now: datetime) -> bool:
    """Whether faces should be grouped (again): somebody asked, a run was cut short, another champion names other faces,
    or pictures came in. revision: of the champion, 0 without one; ingested: the last ingest event."""
    if job is None or not job.status.ended:
        return ingested > 0 or job is not None
    if job.detail.get("of") == [revision, ingested]:
        return False
    rest = max(REST, REST_TIMES * timedelta(seconds=job.detail.get("seconds", 0.0)))
    return now >= job.updated_at + rest


def latest_groups(store: Store) -> tuple[str, FaceGroups]:
    """The edition of the last run and its groups; none where the file cannot be read: the next run writes another."""
    edition = groups_state(store).edition
    try:
        return edition, _read(str(groups_folder().folder), edition) if edition else FaceGroups.of([], [])
    except (MediaMissingError, GroupsCorruptError) as error:
        logger.warning("the groups of unknown faces cannot be read: %s", error)
        return edition, FaceGroups.of([], [])


def kept_groups(edition: str) -> FaceGroups:
    """Groups as a page showed them. Raises NotFoundError when they are kept no more, GroupsCorruptError."""
    if not re.fullmatch("[0-9a-f]{64}", edition):
        raise NotFoundError("This page's address is not one the product made; go back to the unknown people.")
    try:
        return _read(str(groups_folder().folder), edition)
    except MediaMissingError as error:
        raise NotFoundError("These groups are old and were made anew meanwhile. Reload the page.") from error


@lru_cache(maxsize=4)
def _read(folder: str, edition: str) -> FaceGroups:
    path = Path(folder)
    return FaceGroups.from_bytes(MediaFolder(path.parent, path.name).read(edition))


def unknown_groups(store: Store, *, cursor: str | None = None, limit: int = 12) -> Slice[GroupView]:
    """Groups that still have faces nobody claims, the largest first. Whoever follows the cursor stays with one run.

    A page may be short, or empty, and yet not the last: some LOOKED_AT faces are looked at for it, no more.
    """
    edition, groups, place = _begun(store, cursor)
    found: list[GroupView] = []
    looked, at_once = 0, limit
    while place < len(groups) and len(found) < limit and looked < LOOKED_AT:
        batch = _batch(groups, place, limit=at_once, faces=LOOKED_AT)
        views = _open_views(store, [key for number in batch for key in groups[number]])
        for number in batch:
            if len(found) == limit:
                break
            mine = [views[key] for key in groups[number] if key in views]
            if mine:
                shown = tuple(mine[:SHOWN])
                found.append(GroupView(group_id=groups.ids[number], edition=edition, faces=shown, n_faces=len(mine)))
            place = number + 1
        looked += sum(len(groups[number]) for number in batch)
        at_once = GROUPS_AT_ONCE
    return Slice(items=tuple(found), next_cursor=f"{edition}~{place}" if place < len(groups) else None)


def _batch(groups: FaceGroups, start: int, *, limit: int, faces: int) -> list[int]:
    """Places of the next groups: so many at most, and not many more faces in them; one at least."""
    batch = [start]
    n_faces = len(groups[start])
    for place in range(start + 1, min(start + limit, len(groups))):
        n_faces += len(groups[place])
        if n_faces > faces:
            break
        batch.append(place)
    return batch


def _begun(store: Store, cursor: str | None) -> tuple[str, FaceGroups, int]:
    """The edition a reader began with, or the latest, its groups, and the place to go on at. Raises NotFoundError."""
    if not cursor:
        return *latest_groups(store), 0
    edition, _, place = cursor.partition("~")
    if not place.isdecimal() or len(place) > MAX_DIGITS:
        raise NotFoundError("This page's address is not one the product made; go back to the unknown people.")
    return edition, kept_groups(edition), int(place)


def unknown_group(
    store: Store, group_id: str, *, cursor: str | None = None, limit: int = 60
) -> tuple[GroupView, str | None]:
    """A group with its unclaimed faces, and the cursor of those that follow. Raises NotFoundError."""
    edition, groups, after = _begun(store, cursor)
    keys = _faces_of(groups, group_id)
    views = _open_views(store, keys)
    open_keys = [key for key in keys[after:] if key in views]
    shown = open_keys[:limit]
    following = f"{edition}~{keys.index(open_keys[limit])}" if len(open_keys) > limit else None
    view = GroupView(group_id=group_id, edition=edition, faces=tuple(views[key] for key in shown), n_faces=len(views))
    return view, following


def faces_to_label(
    store: Store, group_id: str, *, edition: str, left_out: Collection[FaceKey] = ()
) -> tuple[FaceKey, ...]:
    """Faces of a group as a page showed it that nobody claims yet, without those left out. Raises NotFoundError."""
    keys = _faces_of(kept_groups(edition), group_id)
    views = _open_views(store, keys)
    without = set(left_out)
    return tuple(key for key in keys if key in views and key not in without)


def single_faces(store: Store, *, cursor: str | None = None, limit: int = 60) -> Slice[FaceView]:
    """Faces that nobody claims and that are in no group, by key. The cursor is the store's."""
    _, groups = latest_groups(store)

    def places(views: Sequence[FaceView]) -> list[int]:
        grouped = groups.hold([view.face.key for view in views])
        return [place for place, view in enumerate(views) if status_of(view) in UNCLAIMED and not grouped[place]]

    return faces_where(store, places, cursor=cursor, limit=limit)


def _faces_of(groups: FaceGroups, group_id: str) -> list[FaceKey]:
    place = groups.place_of(group_id)
    if place is None:
        raise NotFoundError("There is no such group any more: its faces were named, or belong to other groups now.")
    return list(groups[place])


def _open_views(store: Store, keys: Sequence[FaceKey]) -> dict[FaceKey, FaceView]:
    """Those of these faces that exist and that nobody claims now."""
    return {view.face.key: view for view in view_keys(store, keys) if status_of(view) in UNCLAIMED}
