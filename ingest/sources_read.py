"""What sources there are, told from the jobs that read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ingest.allowed_folders import is_allowed
from ingest.shares import KIND
from ingest.uploads import KIND as UPLOAD
from ingest.web_shares import ADDRESSES
from personas.entities import Job
from personas.store.base import Store

#: Jobs looked through, the newest, and how many at a time.
LOOKED_THROUGH: Final = 200
_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRead:
    """A folder, a share, a list of web addresses, or all uploads together.

    name: the folder, the share's address, the first address of the list, or "". n_more: further addresses. n_pictures:
    in it when it was last read to the end (None: never yet); of uploads, those that were new. job_id: of its newest
    job.
    """

    kind: str  #: "folder" (or a share), "web" or "upload"
    name: str
    read_at: datetime
    job_id: str
    n_pictures: int | None = None
    n_more: int = 0
    may_read_again: bool = False


def sources_read(store: Store) -> list[SourceRead]:
    """Sources of the newest jobs, the one read last first."""
    found: dict[tuple[str, str], SourceRead] = {}
    for job in _newest(store):
        key, source = _source_of(job)
        known = found.get(key)
        if known is None:
            found[key] = source
        elif job.kind == UPLOAD:
            found[key] = replace(known, n_pictures=(known.n_pictures or 0) + (source.n_pictures or 0))
        elif known.n_pictures is None:
            found[key] = replace(known, n_pictures=source.n_pictures)
    return list(found.values())


def _newest(store: Store) -> Iterator[Job]:
    cursor: str | None = None
    for _ in range(LOOKED_THROUGH // _AT_ONCE):
        page = store.jobs(cursor=cursor, limit=_AT_ONCE)
        yield from (job for job in page.items if job.kind in (KIND, UPLOAD))
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _source_of(job: Job) -> tuple[tuple[str, str], SourceRead]:
    detail = job.detail
    n_pictures = detail.get("pictures") if job.status.ended else None
    if job.kind == UPLOAD:
        source = SourceRead(
            kind="upload", name="", read_at=job.created_at, job_id=job.job_id, n_pictures=detail.get("new")
        )
        return ("upload", ""), source
    if ADDRESSES in detail:
        source = SourceRead(
            kind="web",
            name=str(detail["first"]),
            n_more=int(detail["n_addresses"]) - 1,
            read_at=job.created_at,
            job_id=job.job_id,
            n_pictures=n_pictures,
            may_read_again=job.status.ended,
        )
        return ("web", str(detail[ADDRESSES])), source
    folder = str(detail["folder"])
    source = SourceRead(
        kind="folder",
        name=folder,
        read_at=job.created_at,
        job_id=job.job_id,
        n_pictures=n_pictures,
        may_read_again=job.status.ended and is_allowed(folder),
    )
    return ("folder", folder), source
