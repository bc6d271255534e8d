"""Pages that bring pictures in or look at them: uploads, what a job did not take, drawn faces."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import trigger_client_event

from ingest.allowed_folders import allowed_folders, allowed_shares
from ingest.drawing import Drawn, draw_face
from ingest.extractors import web_extractors
from ingest.forms import DrawForm
from ingest.rejections import Rejection
from ingest.report import rejected_by
from ingest.shares import queue_again, queue_allowed_folder, queue_web_ingest
from ingest.sources_read import sources_read
from ingest.upload_handler import too_large
from ingest.uploads import IncomingFile, PlacedFile, receive_upload
from personas.csv_cells import to_cell
from personas.entities import Box, Job
from personas.errors import NotFoundError
from personas.forms import cleaned
from personas.middleware import takes_bodies
from personas.permissions import can_label, can_upload, require
from personas.selectors.jobs import JobView
from personas.store import Store, get_store
from personas.views.http import PageRequest, done, page, see_other
from personas.views.jobs import view_for
from personas.views.pictures import render_faces

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
        context = {
            "views": _recent(store, request),
            "sources": sources_read(store),
            "folders": [str(each) for each in (*allowed_folders(), *allowed_shares())],
        }
        return page(request, "ingest/upload.html", context)
    job = receive_upload(
        store=store,
        files=_files(request),
        actor=request.user.get_username(),
        at=timezone.now(),
        too_large=too_large(request),
    )
    return _queued(request, job)


def _files(request: PageRequest) -> list[IncomingFile | PlacedFile]:
    """A plain form sends `files`. The page's script sends `file-N`, and in `path-N` where it lies in its folder, for a
    file's own name holds no folders once it is received."""
    found: list[IncomingFile | PlacedFile] = []
    for name, files in request.FILES.lists():
        place = request.POST.get(name.replace("file-", "path-", 1), "") if name.startswith("file-") else ""
        found += [PlacedFile(file=file, path=place) if place else file for file in files]
    return found


@require_POST
@require(can_upload)
def fetch(request: PageRequest) -> HttpResponse:
    """Pictures at web addresses, one a line."""
    text = request.POST.get("addresses", "")
    return _queued(
        request,
        queue_web_ingest(store=get_store(), text=text, actor=request.user.get_username(), at=timezone.now()),
    )


@require_POST
@require(can_upload)
def read_folder(request: PageRequest) -> HttpResponse:
    """Pictures in a folder of the server, or in a share of Azure Files."""
    folder = request.POST.get("folder", "")
    return _queued(
        request,
        queue_allowed_folder(store=get_store(), folder=folder, actor=request.user.get_username(), at=timezone.now()),
    )


@require_POST
@require(can_upload)
def read_again(request: PageRequest, job_id: str) -> HttpResponse:
    """What is new in a source that was read before."""
    return _queued(
        request, queue_again(store=get_store(), job_id=job_id, actor=request.user.get_username(), at=timezone.now())
    )


def _queued(request: PageRequest, job: Job) -> HttpResponse:
    """The job's card, or without JavaScript the page that lists it."""
    if request.htmx:
        return render(request, "jobs/_card.html", {"view": view_for(job, request)})
    return see_other(reverse("upload"))


@require_POST
@require(can_label)
def draw(request: PageRequest, image_id: str) -> HttpResponseBase:
    """A face that was missed, as a box in pixels of the picture."""
    store = get_store()
    data = cleaned(DrawForm(request.POST))
    command_id = str(data["command_id"])
    drawn = draw_face(
        store=store,
        extractors=web_extractors(),
        image_id=image_id,
        box=Box(data["x"], data["y"], data["width"], data["height"]),
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=command_id,
    )
    message, undo = _sentence(drawn), command_id if drawn.is_new or drawn.brought_back else ""
    next_url = f"{reverse('image', args=[image_id])}#face-{drawn.face.face_no}"
    if not request.htmx:
        return done(request, message, undo=undo, next_url=next_url)
    response = render_faces(request, image_id, {"message": message, "undo": undo, "next": next_url, "drew": True})
    return trigger_client_event(response, "drawn", {"face": drawn.face.face_no}, after="settle")


def _sentence(drawn: Drawn) -> str:
    number = drawn.face.face_no + 1
    if drawn.is_new:
        return "Added. Who is it?"
    return f"Face {number} is back." if drawn.brought_back else f"That is face {number}, which is known already."


@require_safe
def rejected(request: PageRequest, job_id: str) -> StreamingHttpResponse:
    """All files that a job did not take, with the reason of each, as CSV."""
    store = get_store()
    found = store.job(job_id)
    if found is None or found.kind not in KINDS:
        raise NotFoundError("There is no such job; the jobs page lists the latest.")
    response = StreamingHttpResponse(_lines(rejected_by(store, found)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="not-taken-{found.job_id[:8]}.csv"'
    patch_cache_control(response, private=True, no_cache=True)
    return response


def _lines(rejections: Iterable[Rejection]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(["path", "reason", "message"])
    for each in rejections:
        yield writer.writerow([to_cell(each.path), each.reason, to_cell(each.message)])


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def _recent(store: Store, request: PageRequest) -> list[JobView]:
    jobs = [job for job in store.jobs(limit=LOOKED_THROUGH).items if job.kind in KINDS]
    return [view_for(job, request) for job in jobs[:RECENT]]
