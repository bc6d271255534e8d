"""Celery tasks of the ingest-worker: thin, ids only, safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

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
