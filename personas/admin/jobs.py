"""Administration of jobs: looking through them, and pausing, resuming or retrying one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from personas import models
from personas.entities import Job, Slice
from personas.errors import AmbiguousError, NotFoundError
from personas.permissions import steering
from personas.selectors.jobs import JobView, failed_shares, find_job, list_jobs, view_of
from personas.services.jobs import PAUSE, RESUME, RETRY, pause_job, resume_job, retry_failed
from personas.store import Store
from personas.store_admin import PAGE, Action, Details, Filter, Row, StoreAdmin

SERVICES: Final[dict[str, Callable[..., Job]]] = {PAUSE: pause_job, RESUME: resume_job, RETRY: retry_failed}
TITLES: Final = {PAUSE: "Pause", RESUME: "Resume", RETRY: "Retry what failed"}


@admin.register(models.Job)
class JobAdmin(StoreAdmin):
    columns = ("Job", "Kind", "Status", "By", "Begun", "Done", "Says")
    searches = "First digits of an id"

    def filters(self, store: Store, request: HttpRequest) -> Sequence[Filter]:
        choices = [("", "All"), ("unfinished", "Unfinished")]
        return (Filter(name="show", title="Show", choices=choices, chosen=request.GET.get("show", "")),)

    def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
        wanted = request.GET.get("q", "").strip()
        if wanted:
            found = _called(store, wanted)
        elif request.GET.get("show") == "unfinished":
            found = Slice(items=tuple(map(view_of, store.unfinished_jobs())), next_cursor=None)
        else:
            found = list_jobs(store, cursor=cursor, limit=PAGE)
        return Slice(items=tuple(map(_row, found.items)), next_cursor=found.next_cursor)

    def details(self, store: Store, pk: str) -> Details:
        job = store.job(pk)
        if job is None:
            raise NotFoundError("There is no such job.")
        view = view_of(job)
        failed = failed_shares(store, job)
        return Details(
            title=f"{view.title} {pk[:8]}",
            facts=(
                *zip(self.columns, _row(view).cells, strict=True),
                ("Id", pk),
                ("Last news", job.updated_at),
                ("Failed parts", " · ".join(f"{share.number}: {share.message}" for share in failed)),
                ("Details", json.dumps(dict(job.detail), ensure_ascii=False)[:4000] if job.detail else ""),
            ),
            links=(("Page of this job", reverse("job", args=[pk])),),
            actions=tuple(
                Action(name=name, title=TITLES[name], permission=steering(job.kind)) for name in view.actions
            ),
        )

    def run(self, store: Store, request: HttpRequest, action: str, pk: str) -> str:
        SERVICES[action](store=store, job_id=pk, actor=request.user.get_username(), at=timezone.now())
        self.log(request, [pk], action)
        return f"{TITLES[action]}: the job's workers were told."


def _called(store: Store, wanted: str) -> Slice[JobView]:
    """Jobs whose ids begin so."""
    try:
        ids: tuple[str, ...] = (find_job(store, wanted).job_id,)
    except AmbiguousError as error:
        ids = error.candidates
    except NotFoundError:
        ids = ()
    jobs = [job for job in map(store.job, ids) if job is not None]
    return Slice(items=tuple(map(view_of, jobs)), next_cursor=None)


def _row(view: JobView) -> Row:
    job = view.job
    done = f"{job.done:,} / {job.total:,}" if job.total else ""
    cells = (job.job_id[:8], view.title, view.status, job.actor, job.created_at, done, job.message)
    return Row(pk=job.job_id, cells=cells)
