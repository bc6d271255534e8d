"""What spans ingest and training."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from ingest.progress import progress_bar
from ingest.report import rejected_by
from ingest.services import ingest_source, source_named
from ingest.shares import UnableToIngestError, do_ingest_share, queue_ingest, queue_web_ingest, record_ingest
from ingest.sources.web import WEB
from ingest.summary import Progress, ProgressCallback
from ingest.web_shares import UnableToFetchError
from orchestration.jobs import ShareSweep
from personas.entities import Job, JobStatus
from personas.errors import NotFoundError, TransientError
from personas.lease import LeaseBusyError
from personas.store import get_store
from personas.store.base import Store

#: Between two looks at a job that others may be at work on as well.
LOOK_SECONDS = 0.2


def ingest_folder(*, source: Path | str, workers: int | None, actor: str, progress: bool) -> Mapping[str, Any]:
    """Take in a folder, or a share of Azure Files, and let the champion score what is new without a fit.

    Returns the summary as JSON. Raises FaceProjectError.
    """
    named = source_named(source)
    with progress_bar("Pictures", shown=progress) as moved:
        summary = ingest_source(
            store=get_store(), source=named, workers=workers, actor=actor, clock=timezone.now, progress=moved
        )
    record_ingest(store=get_store(), summary=summary, actor=actor, at=timezone.now())
    return {**summary.as_json(), "scored": _score()}


def _score() -> int:
    from training.services import score_new_faces

    try:
        return score_new_faces()
    except LeaseBusyError:  # the pictures are in; whoever trains now, or the dispatcher, has them scored
        return 0


def ingest_addresses(*, text: str, actor: str, progress: bool) -> Mapping[str, Any]:
    """Take in the pictures at web addresses, one a line; returns the summary as JSON. Raises FaceProjectError.

    It is a job as a queued one is, done here: killed, it is taken up by an ingest-worker, if there is one.
    """
    store = get_store()
    began = time.perf_counter()
    job = queue_web_ingest(store=store, text=text, actor=actor, at=timezone.now())
    with progress_bar("Pictures", shown=progress) as moved:
        job = _work_off(store, job.job_id, moved)
    if job.status is JobStatus.FAILED:
        raise UnableToFetchError(job.message)
    seconds = time.perf_counter() - began
    return {
        **job.detail,
        "source": WEB,
        "rejected": [asdict(each) for each in rejected_by(store, job)],
        "seconds": round(seconds, 3),
        "pictures_per_second": round(job.detail["new"] / seconds, 1),
        "scored": _score(),
    }


def _work_off(store: Store, job_id: str, moved: ProgressCallback | None) -> Job:
    """Do the shares of a job as the dispatcher offers them, until it has ended."""

    def do(task: str, arguments: tuple[str | int, ...]) -> None:
        _, number = arguments
        try:
            do_ingest_share(store=store, job_id=job_id, number=int(number), clock=timezone.now)
        except TransientError:
            return  # somebody else is at it, or it goes on later: it is offered again

    sweep = ShareSweep(store=store, send=do)
    while True:
        job = store.job(job_id)
        if job is None:
            raise NotFoundError("The job is gone: the store was emptied meanwhile. Start again.")
        if moved:
            total = None if job.detail.get("listing", True) else job.total
            detail = job.detail
            moved(Progress(done=job.done, total=total, new=detail.get("new", 0), rejected=detail.get("n_rejected", 0)))
        if job.status.ended:
            return job
        sweep.look([job])
        time.sleep(LOOK_SECONDS)


def queue_web(*, text: str, actor: str) -> Mapping[str, Any]:
    """Have the ingest-workers take in the pictures at web addresses. Raises FaceProjectError."""
    job = queue_web_ingest(store=get_store(), text=text, actor=actor, at=timezone.now())
    return {"job_id": job.job_id, "n_addresses": job.detail["n_addresses"]}


def queue_folder(*, source: Path | str, actor: str) -> Mapping[str, Any]:
    """Have the ingest-workers take in a folder or a share; returns the job's id at once. Raises FaceProjectError."""
    job = queue_ingest(store=get_store(), folder=source, actor=actor, at=timezone.now())
    return {"job_id": job.job_id, "folder": job.detail["folder"]}


def queue_sample_data(*, actor: str) -> Mapping[str, Any]:
    """Have the ingest-workers take in the sample data, once, into an installation that has nothing yet.

    Asked for again while it is on its way, that job is returned. Raises UnableToIngestError (there are pictures), and
    NotFoundError (the sample data is not there).
    """
    store, folder = get_store(), str(settings.SAMPLE_DATA)
    for job in store.unfinished_jobs():
        if job.detail.get("folder") == folder:
            return {"job_id": job.job_id, "folder": folder}
    if store.images(limit=1).items:
        raise UnableToIngestError("There are pictures here already, and the sample people would mix with yours.")
    return queue_folder(source=settings.SAMPLE_DATA, actor=actor)
