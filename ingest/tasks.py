"""Celery tasks of the ingest-worker: thin, ids only, safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from ingest.shares import do_ingest_share
from ingest.uploads import process_upload as process
from personas.errors import NotFoundError
from personas.lease import LeaseBusyError, LeaseLostError
from personas.store import get_store


@shared_task(name="ingest.process_upload")  # type: ignore[untyped-decorator]  # celery ships no types
def process_upload(job_id: str) -> str:
    """Take in an upload; returns a sentence that says what happened."""
    try:
        return process(store=get_store(), job_id=job_id, clock=timezone.now).message
    except (LeaseBusyError, LeaseLostError):
        return "Another worker is at this upload."
    except NotFoundError as error:
        return str(error)


@shared_task(name="ingest.do_share")  # type: ignore[untyped-decorator]
def do_share(job_id: str, number: int) -> str:
    """List a source, or take in a share of it; returns a sentence that says what happened."""
    try:
        share = do_ingest_share(store=get_store(), job_id=job_id, number=number, clock=timezone.now)
    except (LeaseBusyError, LeaseLostError):
        return "Another worker is at this share."
    except NotFoundError as error:
        return str(error)
    return f"share {number}: {share.status.value}" if share else f"share {number}: nothing to do now"
