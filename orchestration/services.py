"""What spans ingest and training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from ingest.progress import progress_bar
from ingest.services import folder_source, ingest_source
from ingest.shares import UnableToIngestError, queue_ingest
from personas.lease import LeaseBusyError
from personas.store import get_store


def ingest_folder(*, source: Path, workers: int | None, actor: str, progress: bool) -> Mapping[str, Any]:
    """Take in a folder, and let the champion score what is new without a fit; returns the summary as JSON.

    Raises FaceProjectError.
    """
    from training.services import score_new_faces  # scikit-learn takes a second; a wrong folder is named at once

    folder = folder_source(source)
    with progress_bar("Pictures", shown=progress) as moved:
        summary = ingest_source(
            store=get_store(), source=folder, workers=workers, actor=actor, clock=timezone.now, progress=moved
        )
    try:
        scored = score_new_faces()
    except LeaseBusyError:  # the pictures are in; whoever trains now, or the dispatcher, has them scored
        scored = 0
    return {**summary.as_json(), "scored": scored}


def queue_folder(*, source: Path, actor: str) -> Mapping[str, Any]:
    """Have the ingest-workers take in a folder; returns the job's id at once. Raises FaceProjectError."""
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
