"""Faces: by how they stand, one with its candidates, and its crop."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router
from ninja.params.functions import Query

from personas.api.answers import FaceSaid
from personas.api.asking import FaceNo, ImageId, Page, Part, page_of
from personas.api.images import JPEG
from personas.api.interface import ApiRequest
from personas.errors import NotFoundError
from personas.selectors.faces import FaceStatus, faces_with_status, mentioned, view_image
from personas.store import get_store
from personas.views import pictures

router = Router(tags=["faces"])

Status = Annotated[FaceStatus | None, Query(description="Only faces that stand so.")]
CropSize = Annotated[Literal["96", "192", "384"], Query(description="Pixels of each side.")]


@router.get("", response=Page[FaceSaid])
def list_faces(request: ApiRequest, response: HttpResponse, part: Part, status: Status = None) -> Page[FaceSaid]:
    """All faces, or those of a status, by picture. A page may be short, or empty, and yet not the last."""
    store = get_store()
    found = faces_with_status(store, status, cursor=part.cursor, limit=part.limit)
    personas = store.personas_by_id(mentioned(found.items))
    return page_of(
        Page[FaceSaid], found, lambda view: FaceSaid.view(view, personas), request=request, response=response
    )


@router.get("/{image_id}/{face_no}", response=FaceSaid)
def read_face(request: ApiRequest, image_id: ImageId, face_no: FaceNo) -> FaceSaid:
    """One face: what humans say of it, else what the version in use says, with candidates."""
    view = view_image(get_store(), image_id)
    for face in view.faces:
        if face.face.face_no == face_no:
            return FaceSaid.view(face, view.personas)
    raise NotFoundError("There is no such face; its picture may have been deleted.")


@router.get("/{image_id}/{face_no}/crop", openapi_extra=JPEG)
def read_crop(request: ApiRequest, image_id: ImageId, face_no: FaceNo, size: CropSize = "192") -> HttpResponseBase:
    """A square crop of the face."""
    return pictures.face_crop(request, image_id, face_no, int(size))
