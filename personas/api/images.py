"""Pictures: the list, one with its faces, its predictions, and its bytes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from django.conf import settings
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from ninja import Router
from ninja.decorators import decorate_view
from ninja.params.functions import Query

from personas.api.answers import DeletedImage, Image, ImageDeleted, ImageErased, ImageFaces, Prediction
from personas.api.asking import CommandKey, ImageId, Page, Part, command_of, page_of
from personas.api.interface import ApiRequest
from personas.permissions import can_curate, require
from personas.selectors.erasing import deleted_pictures
from personas.selectors.faces import shown_images, view_image
from personas.services.curation import delete_images
from personas.services.erasing import begin_erasing
from personas.store import get_store
from personas.views import pictures

router = Router(tags=["images"])

BYTES: Final[dict[str, Any]] = {"schema": {"type": "string", "contentMediaType": "image/*"}}
#: What the document says of answers that are pictures.
JPEG: Final[dict[str, Any]] = {"responses": {200: {"description": "A JPEG.", "content": {"image/jpeg": BYTES}}}}
ORIGINAL: Final[dict[str, Any]] = {
    "responses": {
        200: {
            "description": "The picture as it came; a format that browsers do not show is application/octet-stream.",
            "content": dict.fromkeys((*pictures.SHOWN.values(), "application/octet-stream"), BYTES),
        }
    }
}
#: A list that not everybody may read.
FORBIDDEN: Final[dict[str, Any]] = {"responses": {403: {"$ref": "#/components/responses/403"}}}
PreviewSize = Annotated[Literal["320", "1600"], Query(description="Pixels of the longest side.")]


@router.get("", response=Page[Image])
def list_images(request: ApiRequest, response: HttpResponse, part: Part) -> Page[Image]:
    """All pictures, with or without faces, by id. A page may be short, or empty, and yet not the last."""
    found = shown_images(get_store(), cursor=part.cursor, limit=part.limit)
    return page_of(Page[Image], found, Image.of, request=request, response=response)


@router.get("/deleted", response=Page[DeletedImage], openapi_extra=FORBIDDEN)
@decorate_view(require(can_curate))
def list_deleted_images(request: ApiRequest, response: HttpResponse, part: Part) -> Page[DeletedImage]:
    """Pictures that were deleted and not erased yet, by id. Needs the curator role."""
    found = deleted_pictures(get_store(), kept=_kept(), cursor=part.cursor, limit=part.limit)
    return page_of(Page[DeletedImage], found, DeletedImage.of, request=request, response=response)


@router.get("/{image_id}", response=ImageFaces)
def read_image(request: ApiRequest, image_id: ImageId) -> ImageFaces:
    """One picture: its paths, its faces, who they are, and who the version in use thinks they are."""
    return ImageFaces.view(view_image(get_store(), image_id))


@router.delete("/{image_id}", response=ImageDeleted)
@decorate_view(require(can_curate))
def delete_image(request: ApiRequest, image_id: ImageId, key: CommandKey = None) -> ImageDeleted:
    """Delete a picture, and its faces with it. Needs the curator role.

    It is shown and learnt from no more. `POST /commands/{command_id}/undo` brings it back, until it is erased for good:
    after a time that the installation sets (30 days), or at once by `POST /images/{image_id}/erase`.
    """
    command_id = command_of(key)
    delete_images(
        store=get_store(),
        image_ids=[image_id],
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=command_id,
    )
    return ImageDeleted(command_id=command_id)


@router.post("/{image_id}/erase", response=ImageErased)
@decorate_view(require(can_curate))
def erase_image(request: ApiRequest, image_id: ImageId, key: CommandKey = None) -> ImageErased:
    """Erase a deleted picture for good, with all that was made of it. Needs the curator role.

    This cannot be undone. What is left is its id, so that the same bytes are not taken in again by themselves. Files
    are removed within seconds.
    """
    command_id = command_of(key)
    begin_erasing(
        store=get_store(),
        image_ids=[image_id],
        actor=request.user.get_username(),
        at=timezone.now(),
        command_id=command_id,
    )
    return ImageErased(command_id=command_id)


def _kept() -> timedelta:
    return timedelta(days=settings.DELETED_KEPT_DAYS)


@router.get("/{image_id}/predictions", response=list[Prediction], tags=["predictions"])
def list_image_predictions(request: ApiRequest, image_id: ImageId) -> list[Prediction]:
    """What the version in use says of the picture's faces that no human named, with candidates."""
    view = view_image(get_store(), image_id)
    return [Prediction.of(face.prediction, view.personas) for face in view.faces if face.prediction]


@router.get("/{image_id}/original", openapi_extra=ORIGINAL)
def read_original(request: ApiRequest, image_id: ImageId) -> HttpResponseBase:
    """The picture's bytes, as they came."""
    return pictures.original(request, image_id)


@router.get("/{image_id}/preview", openapi_extra=JPEG)
def read_preview(request: ApiRequest, image_id: ImageId, size: PreviewSize = "1600") -> HttpResponseBase:
    """The whole picture as a JPEG that any browser shows, upright."""
    return pictures.preview(request, image_id, int(size))
