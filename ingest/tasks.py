"""Celery tasks of the ingest-worker: thin, ids only, safe to run twice."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from ingest.shares import do_ingest_share
from ingest.uploads import process_upload as process
from personas.crops import drop_pictures
from personas.services.erasing import SWEEP, erase_due
from personas.store import get_store
from personas.tasks import task


@task("ingest.process_upload")
def process_upload(job_id: str) -> str:
    """Take in an upload; returns a sentence that says what happened."""
    return process(store=get_store(), job_id=job_id, clock=timezone.now).message


@task("ingest.do_share")
def do_share(job_id: str, number: int) -> str:
    """List a source, or take in a share of it; returns a sentence that says what happened."""
    share = do_ingest_share(store=get_store(), job_id=job_id, number=number, clock=timezone.now)
    return f"share {number}: {share.status.value}" if share else f"share {number}: nothing to do now"


@task("ingest.erase_pictures")
def erase_pictures() -> str:
    """Erase pictures that were deleted long enough ago, and finish what a kill left; returns how many went."""
    n_gone = erase_due(
        store=get_store(),
        kept=timedelta(days=settings.DELETED_KEPT_DAYS),
        actor=SWEEP,
        clock=timezone.now,
        drop_files=drop_pictures,
    )
    return f"{n_gone} pictures erased."
