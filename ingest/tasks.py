"""Celery tasks of the ingest-worker: thin, ids only, safe to run twice."""

from __future__ import annotations

from django.utils import timezone

from ingest.uploads import process_upload as process
from personas.store import get_store
from personas.tasks import task


@task("ingest.process_upload")
def process_upload(job_id: str) -> str:
    """Take in an upload; returns a sentence that says what happened."""
    return process(store=get_store(), job_id=job_id, clock=timezone.now).message
