"""Uploads: pictures in, a job out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Router, Status
from ninja.decorators import decorate_view
from ninja.files import UploadedFile
from ninja.params.functions import File

from ingest.upload_handler import too_large
from ingest.uploads import receive_upload
from personas.api.answers import Job
from personas.api.interface import ApiRequest
from personas.api.jobs import job_for
from personas.middleware import takes_bodies
from personas.permissions import can_upload, require
from personas.problems import ProblemError
from personas.selectors.jobs import view_of
from personas.store import get_store

router = Router(tags=["uploads"])

MULTIPART = "multipart/form-data"
#: What Ninja cannot know: files that are too large are left out before it sees them, so it cannot ask for one.
FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "content": {MULTIPART: {"schema": {"required": ["files"], "properties": {"files": {"minItems": 1}}}}}
    },
}


@router.post("", response={202: Job}, openapi_extra=FORM)
@decorate_view(require(can_upload))
@takes_bodies(can_upload)
def create_upload(
    request: ApiRequest,
    response: HttpResponse,
    files: Annotated[list[UploadedFile], File(default_factory=list)],
) -> Status[Job]:
    """Send pictures. The answer is the job that takes them in; ask for it until it has ended. Needs the labeller role.

    A picture that is known already is not stored again, so an upload may be sent twice.
    """
    if request.content_type != MULTIPART:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type", f"Send pictures as {MULTIPART}, each in a field `files`."
        )
    job = receive_upload(
        store=get_store(),
        files=files,
        actor=request.user.get_username(),
        at=timezone.now(),
        too_large=too_large(request),
    )
    response["Location"] = reverse("api:read_job", args=[job.job_id])
    return Status(HTTPStatus.ACCEPTED, job_for(request, view_of(job)))
