"""Background work that people may watch and steer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from personas.entities import Job
from personas.errors import NotFoundError
from personas.permissions import can_steer, refusal_of_steering
from personas.selectors.jobs import JobView, failed_shares, list_jobs, tag_of, view_of
from personas.services.jobs import PAUSE, RESUME, RETRY, UnableToSteerError, pause_job, resume_job, retry_failed
from personas.store import Store, get_store
from personas.views.http import (
    PageRequest,
    cursor_of,
    knows,
    more_url,
    page,
    safe_next,
    see_other,
    tagged,
    unchanged,
    wants_partial,
)

STEERING: Final[dict[str, Callable[..., Job]]] = {PAUSE: pause_job, RESUME: resume_job, RETRY: retry_failed}
#: What a job's page counts, in this order.
FIGURES: Final = (
    ("pictures", "Pictures"),
    ("new", "New"),
    ("known", "Known before"),
    ("faces", "Faces"),
    ("no_face", "Without a face"),
    ("labels", "Labels from sidecars"),
    ("truths", "Ground truths"),
    ("n_rejected", "Not taken"),
)


def view_for(job: Job, request: PageRequest) -> JobView:
    """A job as this user sees it: only what they may do is offered."""
    view = view_of(job)
    return view if can_steer(request.user, job.kind) else replace(view, actions=())


@require_safe
def jobs(request: PageRequest) -> HttpResponse:
    """All jobs, newest first. Cards of jobs that move ask for themselves; the list asks whether there are others."""
    cursor = cursor_of(request)
    found = list_jobs(get_store(), cursor=cursor)
    tag = tag_of(view.job.job_id for view in found.items)
    if request.htmx and not wants_partial(request) and knows(request, tag):
        return unchanged(tag)
    context = {
        "views": [view_for(view.job, request) for view in found.items],
        "more": more_url(request, found.next_cursor),
        "tag": "" if cursor else tag,
    }
    if wants_partial(request):
        return render(request, "jobs/_cards.html", context)
    return page(request, "jobs/jobs.html", context)


@require_safe
def job(request: PageRequest, job_id: str) -> HttpResponse:
    """One job: a page, what of it changes, or the card that other pages show."""
    store = get_store()
    found = store.job(job_id)
    if found is None:
        raise NotFoundError("There is no such job; the jobs page lists the latest.")
    view = view_for(found, request)
    if request.htmx and knows(request, view.tag):
        return unchanged(view.tag)
    if request.htmx and request.htmx.target != "job-page":
        return tagged(render(request, "jobs/_card.html", {"view": view}), view.tag)
    context = _whole(store, view)
    if request.htmx:
        return tagged(render(request, "jobs/_body.html", context), view.tag)
    return page(request, "jobs/job.html", context)


def _whole(store: Store, view: JobView) -> dict[str, Any]:
    """What a job's own page shows."""
    figures = [(title, view.job.detail[name]) for name, title in FIGURES if view.job.detail.get(name)]
    return {"view": view, "failed": failed_shares(store, view.job), "figures": figures}


@require_POST
def steer(request: PageRequest, job_id: str, action: str) -> HttpResponseBase:
    """Pause, resume or retry. What cannot be done is said where it was asked for."""
    if action not in STEERING:
        raise Http404
    store = get_store()
    found = store.job(job_id)
    if found is not None and not can_steer(request.user, found.kind):
        raise PermissionDenied(refusal_of_steering(found.kind))
    command = {"store": store, "job_id": job_id, "actor": request.user.get_username(), "at": timezone.now()}
    if request.htmx:
        view = view_for(STEERING[action](**command), request)
        if request.htmx.target == "job-page":
            return render(request, "jobs/_body.html", _whole(store, view))
        return render(request, "jobs/_card.html", {"view": view})
    try:
        STEERING[action](**command)
    except UnableToSteerError as error:
        messages.error(request, str(error))
    return see_other(safe_next(request, reverse("job", args=[job_id])))
