"""Pictures: the browser of all, one with its faces, and the bytes of originals, previews and crops."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.http import require_safe

from personas.crops import CROP_SIZES, PREVIEW_SIZES, CachedJpeg, crop_digest, cut_face, originals, shrink_picture
from personas.entities import FaceKey, Image
from personas.errors import NotFoundError
from personas.selectors.faces import shown_image, shown_images, view_image
from personas.selectors.why import explain
from personas.store import get_store
from personas.views.http import PageRequest, cursor_of, more_url, page, page_size, wants_partial

THUMBNAILS = 60
#: Faces whose forms a picture's page holds unless it is asked for all (`?all=1`): each is some five kilobytes.
FACES_LISTED = 60
#: Seconds in which a browser shows a picture again without asking. Short: it may be deleted and erased meanwhile.
KEPT = 3600
#: Formats browsers show; anything else is offered as a download and looked at as a preview.
SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "BMP": "image/bmp"}


@require_safe
def browse(request: PageRequest) -> HttpResponse:
    """Every picture, with or without faces."""
    store = get_store()
    found = shown_images(store, cursor=cursor_of(request), limit=page_size(request, THUMBNAILS))
    paths = store.paths_of([image.image_id for image in found.items])
    context: dict[str, Any] = {
        "pictures": [(image, paths.get(image.image_id, ())) for image in found.items],
        "more": more_url(request, found.next_cursor),
    }
    if wants_partial(request):
        return render(request, "pictures/_thumbnails.html", context)
    context["counts"] = store.count_images()
    return page(request, "pictures/browse.html", context)


@require_safe
def image(request: PageRequest, image_id: str) -> HttpResponse:
    """One picture: its faces, who they are, and who the champion thinks they are."""
    view = view_image(get_store(), image_id)
    return page(request, "pictures/picture.html", {"view": view, "listed": faces_listed(request.get_full_path())})


def faces_listed(url: str) -> str:
    """Which faces a picture's page lists, as a template's slice: a crowd only for whoever asks for all of it."""
    return ":" if "all" in parse_qs(urlsplit(url).query) else f":{FACES_LISTED}"


def render_faces(request: PageRequest, image_id: str, context: Mapping[str, Any]) -> HttpResponse:
    """The faces and boxes of the picture's page after something was said of one of them, with a toast.

    context: what the toast says.
    """
    view = view_image(get_store(), image_id)
    listed = faces_listed(request.htmx.current_url or "")
    return render(request, "pictures/_labelled.html", {**context, "view": view, "listed": listed, "oob": True})


@require_safe
def face_crop(request: HttpRequest, image_id: str, face_no: int, size: int) -> HttpResponseBase:
    """A square crop of a face. Its address may carry a digest of the box (`v`), and is kept by browsers then."""
    if size not in CROP_SIZES:
        raise NotFoundError(f"Crops are {', '.join(map(str, CROP_SIZES))} pixels wide.")
    store = get_store()
    shown_image(store, image_id)
    faces = store.faces_of([image_id]).get(image_id, ())
    face = next((face for face in faces if face.face_no == face_no), None)
    if face is None:
        raise NotFoundError("There is no such face; its picture may have been deleted.")
    version = request.GET.get("v", "")
    kept = bool(version) and crop_digest(face).startswith(version)
    return jpeg(request, cut_face(face, size=size, neighbours=faces), kept=kept)


@require_safe
def why(request: PageRequest, image_id: str, face_no: int) -> HttpResponse:
    """The labelled faces of a persona (`?persona=`) that a face resembles most: as a page, or in place."""
    found = explain(get_store(), FaceKey(image_id, face_no), request.GET.get("persona", ""))
    if request.htmx:
        return render(request, "people/_why.html", {"why": found})
    return page(request, "people/why.html", {"why": found})


@require_safe
def preview(request: HttpRequest, image_id: str, size: int) -> HttpResponseBase:
    """The whole picture as a JPEG any browser shows."""
    if size not in PREVIEW_SIZES:
        raise NotFoundError(f"Previews are {', '.join(map(str, PREVIEW_SIZES))} pixels wide.")
    return jpeg(request, shrink_picture(_get_image(image_id), size=size), kept=True)


@require_safe
def original(request: HttpRequest, image_id: str) -> HttpResponseBase:
    """The bytes as they came. What they hold can run nothing: the type is fixed and the answer sandboxed."""
    found = _get_image(image_id)
    etag = f'"{image_id}"'
    if unchanged := _unchanged(request, etag):
        return _locked_down(unchanged, etag, kept=True)
    try:
        file = originals().path(image_id).open("rb")
    except FileNotFoundError as error:
        raise NotFoundError(
            "The original of this picture is not in the media folder. Ingest its source again to bring it back."
        ) from error
    shown = SHOWN.get(found.format)
    response = FileResponse(
        file,
        content_type=shown or "application/octet-stream",
        as_attachment=shown is None,
        filename=f"{image_id[:12]}.{found.format.lower()}",
    )
    return _locked_down(response, etag, kept=True)


def _get_image(image_id: str) -> Image:
    return shown_image(get_store(), image_id)


def jpeg(request: HttpRequest, cached: CachedJpeg, *, kept: bool) -> HttpResponseBase:
    """kept: browsers show it again for an hour without asking, and ask with its ETag from then on."""
    etag = f'"{cached.digest[:32]}"'
    response = _unchanged(request, etag) or FileResponse(cached.path.open("rb"), content_type="image/jpeg")
    return _locked_down(response, etag, kept=kept)


def _unchanged(request: HttpRequest, etag: str) -> HttpResponseBase | None:
    """304, where the asker says that it has this already."""
    found = get_conditional_response(request, etag=etag)
    return found if found is not None and found.status_code == HTTPStatus.NOT_MODIFIED else None


def _locked_down(response: HttpResponseBase, etag: str, *, kept: bool) -> HttpResponseBase:
    response["ETag"] = etag
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    if kept:
        patch_cache_control(response, private=True, max_age=KEPT, must_revalidate=True)
    else:
        patch_cache_control(response, private=True, no_cache=True)
    return response
