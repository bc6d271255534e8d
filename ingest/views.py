"""The upload page, and the progress of jobs."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from ingest.upload_handler import too_large
from ingest.uploads import receive_upload
from personas.entities import Job, JobStatus
from personas.errors import NotFoundError
from personas.middleware import takes_bodies
from personas.permissions import can_upload, require
from personas.store import Store, get_store
from personas.views.http import PageRequest, page, see_other

#: Jobs listed below the form, and how many of the newest jobs of any kind are looked through for them.
RECENT, LOOKED_THROUGH = 10, 50
KINDS = ("upload", "ingest")


@takes_bodies(can_upload)
@require_http_methods(["GET", "HEAD", "POST"])
@require(can_upload)
def upload(request: PageRequest) -> HttpResponseBase:
    """Pictures by drag and drop or by a plain form; each upload is a job whose progress can be watched."""
    store = get_store()
    if request.method != "POST":
        return page(request, "ingest/upload.html", {"jobs": _recent(store)})
    files = request.FILES.getlist("files")
    job = receive_upload(
        store=store,
        files=files,
        actor=request.user.get_username(),
        at=timezone.now(),
        too_large=too_large(request),
    )
    if request.htmx:
        return render(request, "ingest/_job.html", {"job": job, "moving": _moving(job)})
    return see_other(reverse("upload"))


@require_safe
def job(request: PageRequest, job_id: str) -> HttpResponse:
    """One job: a page, or the card that a page polls while the job moves."""
    found = get_store().job(job_id)
    if found is None:
        raise NotFoundError("There is no such job; the upload page lists the latest.")
    context = {"job": found, "moving": _moving(found)}
    if request.htmx:
        return render(request, "ingest/_job.html", context)
    return page(request, "ingest/job.html", context)


def _recent(store: Store) -> list[tuple[Job, bool]]:
    jobs = [job for job in store.jobs(limit=LOOKED_THROUGH).items if job.kind in KINDS]
    return [(job, _moving(job)) for job in jobs[:RECENT]]


def _moving(job: Job) -> bool:
    return job.status in (JobStatus.QUEUED, JobStatus.RUNNING)
