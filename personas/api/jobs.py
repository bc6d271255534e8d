"""Background work: watch it, pause it, go on, try again what failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.utils import timezone
from ninja import Router

from personas import entities
from personas.api.answers import Job
from personas.api.asking import JobId, Page, Part, page_of
from personas.api.interface import ApiRequest
from personas.errors import NotFoundError
from personas.permissions import can_steer, refusal_of_steering
from personas.selectors.jobs import JobView, view_of
from personas.selectors.jobs import list_jobs as newest_jobs
from personas.services.jobs import pause_job as pause
from personas.services.jobs import resume_job as resume
from personas.services.jobs import retry_failed as retry
from personas.store import Store, get_store

router = Router(tags=["jobs"])


@router.get("", response=Page[Job])
def list_jobs(request: ApiRequest, response: HttpResponse, part: Part) -> Page[Job]:
    """All jobs, newest first."""
    found = newest_jobs(get_store(), cursor=part.cursor, limit=part.limit)
    return page_of(Page[Job], found, lambda view: job_for(request, view), request=request, response=response)


@router.get("/{job_id}", response=Job)
def read_job(request: ApiRequest, job_id: JobId) -> Job:
    """One job. Ask with If-None-Match while it runs: most answers are then 304, and empty."""
    return job_for(request, view_of(_job(get_store(), job_id)))


@router.post("/{job_id}/pause", response=Job)
def pause_job(request: ApiRequest, job_id: JobId) -> Job:
    """Have it stop when the shares in hand are finished. Repeating it changes nothing."""
    return _steer(request, job_id, pause)


@router.post("/{job_id}/resume", response=Job)
def resume_job(request: ApiRequest, job_id: JobId) -> Job:
    """Have a paused job go on. Repeating it changes nothing."""
    return _steer(request, job_id, resume)


@router.post("/{job_id}/retry", response=Job)
def retry_job(request: ApiRequest, job_id: JobId) -> Job:
    """Have what failed done once more."""
    return _steer(request, job_id, retry)


def _steer(request: ApiRequest, job_id: str, steer: Callable[..., entities.Job]) -> Job:
    """Whom a job obeys depends on its kind: uploads the labeller, trainings the curator."""
    store = get_store()
    kind = _job(store, job_id).kind
    if not can_steer(request.user, kind):
        raise PermissionDenied(refusal_of_steering(kind))
    steered = steer(store=store, job_id=job_id, actor=request.user.get_username(), at=timezone.now())
    return job_for(request, view_of(steered))


def _job(store: Store, job_id: str) -> entities.Job:
    found = store.job(job_id)
    if found is None:
        raise NotFoundError("There is no such job; the list of jobs shows the latest.")
    return found


def job_for(request: ApiRequest, view: JobView) -> Job:
    """A job as this user sees it: only what they may do is offered."""
    return Job.of(view if can_steer(request.user, view.job.kind) else replace(view, actions=()))
