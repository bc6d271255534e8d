"""Ingest of a source in shares, by as many ingest-workers as there are.

`queue_ingest` writes a job with one share: to list the folder. Whoever does that share writes the others while it
walks, each a slice of the sorted listing; killed half-way, the next worker goes on behind the last slice. A slice is
taken in as a direct ingest would, so doing it twice changes nothing, and the end is the same whoever did what. When all
shares have ended, the dispatcher settles the job (`ingest.settling`).
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from ingest.allowed_folders import require_allowed
from ingest.job_files import manifests_of
from ingest.known_paths import KnownPaths
from ingest.manifest import ManifestSource, pack, slices, unpack
from ingest.pipeline import IngestRun
from ingest.rejections import READ_FAILED, SIDECAR_UNREADABLE, UNREADABLE, VANISHED, Rejection
from ingest.report import rejected_in, report_of, result_of
from ingest.services import folder_source, is_share, source_named, work_order
from ingest.settling import settled
from ingest.sources.base import SourcePicture, WalkedSource
from ingest.sources.folder import FolderSource
from ingest.summary import IngestSummary, Progress
from ingest.warm import warm_pool
from ingest.web_shares import ADDRESSES, addresses_of, list_addresses, queue_addresses, take_in_addresses
from personas.entities import Job, JobStatus, Share, ShareStatus
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.lease import Lease
from personas.patience import patiently
from personas.shares import do_share
from personas.store.base import Store
from personas.watchdog import WATCHDOG

KIND: Final = "ingest"
#: Number of the share that lists the source and writes the others.
LISTING: Final = 0
#: Files are refused for these also where the whole source went away.
AWAY: Final = frozenset({READ_FAILED, SIDECAR_UNREADABLE, UNREADABLE, VANISHED})
#: Part of the time limit after which a listing, or a part, lets go, and goes on in another task.
TURN: Final = 0.5


class UnableToIngestError(FaceProjectError):
    """A source, or a part of one, that cannot be taken in by workers."""


def queue_ingest(*, store: Store, folder: Path | str, actor: str, at: datetime) -> Job:
    """Have the ingest-workers take in a folder, or a share of Azure Files.

    Raises NotFoundError (there is no such folder), UnableToIngestError (its name is not UTF-8), AzureFilesError.
    """
    source = source_named(folder)
    if isinstance(source, FolderSource) and source.name.encode() != os.fsencode(source.root):
        raise UnableToIngestError(f"The name of {source.name} is not UTF-8. Rename the folder, or ingest it directly.")
    job = Job(
        job_id=str(uuid.uuid4()),
        kind=KIND,
        status=JobStatus.QUEUED,
        created_at=at,
        updated_at=at,
        actor=actor,
        message="Waiting for an ingest-worker.",
        detail={"folder": source.name},
    )
    patiently(store.put_shares, [Share(job_id=job.job_id, number=LISTING, status=ShareStatus.WAITING, updated_at=at)])
    patiently(store.put_job, job)
    return job


def queue_web_ingest(*, store: Store, text: str, actor: str, at: datetime) -> Job:
    """Have the ingest-workers take in the pictures at web addresses, one a line. Raises UnableToFetchError."""
    return queue_addresses(store=store, text=text, actor=actor, at=at, kind=KIND)


def queue_allowed_folder(*, store: Store, folder: str, actor: str, at: datetime) -> Job:
    """`queue_ingest` for who may only name some folders.

    Raises FolderNotAllowedError, NotFoundError and UnableToIngestError.
    """
    return queue_ingest(store=store, folder=require_allowed(folder), actor=actor, at=at)


def queue_again(*, store: Store, job_id: str, actor: str, at: datetime) -> Job:
    """Have the source of an earlier ingest read once more; what is known is skipped, what is new is taken in.

    Raises NotFoundError (no such ingest) and what `queue_allowed_folder` and `queue_web_ingest` raise.
    """
    job = store.job(job_id)
    if job is None or job.kind != KIND:
        raise NotFoundError("There is no such ingest; the jobs page lists the latest.")
    if ADDRESSES in job.detail:
        return queue_web_ingest(store=store, text=addresses_of(job), actor=actor, at=at)
    return queue_allowed_folder(store=store, folder=str(job.detail["folder"]), actor=actor, at=at)


def record_ingest(*, store: Store, summary: IngestSummary, actor: str, at: datetime) -> Job:
    """Have an ingest that was done without workers stand among the jobs, as it ended."""
    job = Job(
        job_id=str(uuid.uuid4()),
        kind=KIND,
        status=JobStatus.QUEUED,
        created_at=at,
        updated_at=at,
        actor=actor,
        detail={"folder": summary.source},
    )
    whole = Share(
        job_id=job.job_id,
        number=LISTING,
        status=ShareStatus.DONE,
        updated_at=at,
        total=summary.pictures,
        result=result_of(summary, job_id=job.job_id),
    )
    ended = settled(job, [whole], at)
    patiently(store.put_shares, [whole])
    patiently(store.put_job, ended)
    return ended


def do_ingest_share(*, store: Store, job_id: str, number: int, clock: Callable[[], datetime]) -> Share | None:
    """List the source, or take in a part of it; see `personas.shares.do_share`. Raises NotFoundError (no such job)."""
    job = store.job(job_id)
    if job is None or job.kind != KIND:
        raise NotFoundError(f"There is no ingest {job_id}.")

    def do(share: Share, lease: Lease) -> Mapping[str, Any]:
        if ADDRESSES in job.detail:
            if share.number == LISTING:
                return list_addresses(store, job, lease, clock)
            return take_in_addresses(store, job, share, lease, clock)
        source = _source_of(job)
        if share.number == LISTING:
            return _list(store, job, source, lease, clock)
        return _take_in(store, job, share, source, lease, clock)

    return do_share(store, job_id, number, do=do, clock=clock)


def _source_of(job: Job) -> WalkedSource:
    """The job's folder or share as this machine sees it. Raises FaceProjectError."""
    folder = str(job.detail["folder"])
    if is_share(folder):
        return source_named(folder)
    try:
        return replace(folder_source(Path(folder)), name=folder)
    except NotFoundError as error:
        raise UnableToIngestError(
            f"The ingest-worker on {socket.gethostname()} does not see the folder {folder}. Mount it there at the same "
            "path, then retry."
        ) from error


# ---- listing ---------------------------------------------------------------------------------------------------------
def _list(
    store: Store, job: Job, source: WalkedSource, lease: Lease, clock: Callable[[], datetime]
) -> Mapping[str, Any]:
    """Write a share for each slice of the listing, behind those that are there already.

    What was refused on the way is kept with the next slice. Raises TransientError when it is time to let go: the next
    turn goes on behind the last slice, so a listing may take longer than a task may.
    """
    until = time.monotonic() + settings.TASK_LIMIT_SECONDS["ingest"] * TURN
    before = store.shares(job.job_id)[LISTING + 1 :]
    after = str(before[-1].work["last"]) if before else ""
    number, n_pictures = len(before) + 1, sum(share.total for share in before)
    refused = [share.work.get("refused", {}) for share in before]
    kept = dict.fromkeys(each for result in refused for each in rejected_in(result, job_id=job.job_id))
    fresh: dict[Rejection, None] = {}
    listing = _pictures_behind(source, after, kept, fresh)
    for taken in slices(listing, listed=n_pictures, most=settings.INGEST_SHARE_PICTURES):
        _require(source, (each.reason for each in fresh))
        last = taken[-1].file.path
        work = {"manifest": manifests_of(job.job_id).put(pack(taken)), "after": after, "last": last}
        share = Share(
            job_id=job.job_id,
            number=number,
            status=ShareStatus.WAITING,
            updated_at=clock(),
            total=len(taken),
            work={**work, "refused": report_of(tuple(fresh), job_id=job.job_id)} if fresh else work,
        )
        lease.require()
        patiently(store.put_shares, [share])
        number, n_pictures, after = number + 1, n_pictures + len(taken), last
        kept.update(fresh)
        fresh.clear()
        if WATCHDOG.stopping or time.monotonic() >= until:
            raise TransientError("The listing goes on in another turn.")
    _require(source, (each.reason for each in fresh))
    return {"listed": n_pictures, **report_of((*kept, *fresh), job_id=job.job_id)}


def _pictures_behind(
    source: WalkedSource, after: str, kept: Mapping[Rejection, None], fresh: dict[Rejection, None]
) -> Iterator[SourcePicture]:
    """Pictures by path, behind one; what the listing refuses is put aside, once, for it has an order of its own."""
    for item in source.pictures(after=after):
        if not isinstance(item, Rejection):
            yield item
        elif item not in kept:
            fresh[item] = None


def _require(source: WalkedSource, reasons: Iterable[str]) -> None:
    """Raises TransientError when files were refused because the whole source is away."""
    if AWAY.intersection(reasons):
        source.require()


# ---- taking in -------------------------------------------------------------------------------------------------------
def _take_in(
    store: Store, job: Job, share: Share, source: WalkedSource, lease: Lease, clock: Callable[[], datetime]
) -> Mapping[str, Any]:
    until = time.monotonic() + settings.TASK_LIMIT_SECONDS["ingest"] * TURN
    listed = tuple(unpack(manifests_of(job.job_id).read(str(share.work["manifest"]))))
    known = KnownPaths(store, source.name, after=str(share.work["after"]), at_once=len(listed) + 1)

    def go_on(progress: Progress) -> None:
        """A part that cannot be finished is handed back before the stop's grace ends, so that no attempt is counted;
        and one that takes long, before its time limit: what is done is known to whoever goes on."""
        lease.require()
        if WATCHDOG.stopping:
            raise TransientError("This worker was told to end; another one goes on with what it had in hand.")
        if time.monotonic() >= until:
            raise TransientError("This part goes on in another turn.")

    with warm_pool(work_order(source)) as pool:
        summary = IngestRun(
            store=store,
            source=ManifestSource(source=source, listed=listed),
            pool=pool,
            actor=job.actor,
            clock=clock,
            progress=go_on,
            known=known,
        ).run()
    _require(source, summary.reasons)
    if summary.reasons.get(VANISHED, 0) + summary.reasons.get(READ_FAILED, 0) == len(listed):
        where = "Are they still in the share?" if is_share(source.name) else "Is it mounted there?"
        raise UnableToIngestError(
            f"None of the {len(listed)} pictures that were listed can be read in {source.name} on "
            f"{socket.gethostname()} any more. {where} Then retry."
        )
    return result_of(summary, job_id=job.job_id)
