"""Face crops and picture previews, cut on demand from the originals and cached as files.

A cached file is named by the hash of everything that shapes it, so it is never stale and may be deleted at any time.
`CACHE_ROOT/crops/ab/abcd….jpg`, `CACHE_ROOT/previews/ab/abcd….jpg`.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings
from PIL import Image as Pillow
from PIL import ImageChops, ImageOps

from personas.entities import Box, Face, Image
from personas.errors import NotFoundError
from personas.media import MediaFolder, write_atomically

#: Sides of a face crop in pixels: a list, a grid, a large screen.
CROP_SIZES = (96, 192, 384)
#: Longest side of a picture's preview: a thumbnail, a page.
PREVIEW_SIZES = (320, 1600)

_CUT_VERSION = "1"  # raise it when the way crops are cut changes, so that old cache files are not used
_MARGIN = 0.3  # of the longer side of the box, on each side: hair and chin belong to a face that people look at
_JPEG_QUALITY = 86


@dataclass(frozen=True, slots=True)
class CachedJpeg:
    """A JPEG in the cache folder. `digest` is a strong entity tag: equal digests are equal pictures."""

    path: Path
    digest: str


def originals() -> MediaFolder:
    return MediaFolder(Path(settings.MEDIA_ROOT), "originals")


def crop_digest(face: Face) -> str:
    """What identifies the look of a face's crop, apart from its size."""
    return _digest("crop", face.image_id, *(f"{side:.3f}" for side in face.box))


def cut_face(face: Face, *, size: int, neighbours: Sequence[Face] = ()) -> CachedJpeg:
    """A square crop around the face, `size` pixels wide. Raises NotFoundError when the original is gone.

    neighbours: other faces of the same picture. Decoding is what costs, so their crops are cut and cached on the way.
    """
    wanted = _crop_file(face, size)
    if not _is_cached(wanted):
        with _lock_of(face.image_id):  # the other crops of a page wait for this decoding instead of doing it again
            if not _is_cached(wanted):
                _cut([face, *(other for other in neighbours if other.key != face.key)], size)
    return wanted


def _cut(faces: Sequence[Face], size: int) -> None:
    picture, scale = _open_upright(faces[0].image_id, scale=max(size / _side(face.box) for face in faces))
    for face in faces:
        file = _crop_file(face, size)
        if not _is_cached(file):
            square = _square(face.box, scale, picture.size)
            cut = picture.resize((size, size), Pillow.Resampling.LANCZOS, box=square)
            write_atomically(file.path, _jpeg(cut), durable=False)


def shrink_picture(image: Image, *, size: int) -> CachedJpeg:
    """The whole picture, its longest side at most `size` pixels; any format becomes a JPEG browsers can show."""
    digest = _digest("preview", image.image_id, str(size))
    wanted = CachedJpeg(_cache_path("previews", digest), digest)
    if not _is_cached(wanted):
        picture, _ = _open_upright(image.image_id, scale=size / max(image.width, image.height))
        picture.thumbnail((size, size), Pillow.Resampling.LANCZOS)
        write_atomically(wanted.path, _jpeg(picture), durable=False)
    return wanted


def _crop_file(face: Face, size: int) -> CachedJpeg:
    digest = _digest(crop_digest(face), str(size))
    return CachedJpeg(_cache_path("crops", digest), digest)


def _is_cached(file: CachedJpeg) -> bool:
    try:
        return file.path.stat().st_size > 0
    except FileNotFoundError:
        return False


#: A few locks for all pictures; two that share one wait for each other now and then.
_LOCKS = tuple(threading.Lock() for _ in range(64))


def _lock_of(image_id: str) -> threading.Lock:
    return _LOCKS[int(image_id[:2], 16) % len(_LOCKS)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join((_CUT_VERSION, *parts)).encode()).hexdigest()


def _cache_path(kind: str, digest: str) -> Path:
    return Path(settings.CACHE_ROOT) / kind / digest[:2] / f"{digest}.jpg"


def _side(box: Box) -> float:
    return max(box.width, box.height) * (1 + 2 * _MARGIN)


def _square(box: Box, scale: float, bounds: tuple[int, int]) -> tuple[float, float, float, float]:
    """The crop's corners in the (reduced) picture: moved inside where the face is near an edge."""
    width, height = bounds
    side = min(max(_side(box) * scale, 1.0), width, height)
    centre_x, centre_y = (coordinate * scale for coordinate in box.centre)
    left = min(max(centre_x - side / 2, 0.0), width - side)
    top = min(max(centre_y - side / 2, 0.0), height - side)
    return left, top, left + side, top + side


def _open_upright(image_id: str, *, scale: float) -> tuple[Pillow.Image, float]:
    """The original as upright RGB, and the scale it was decoded at.

    scale: the smallest that serves; JPEG decodes at 1/2, 1/4 and 1/8 much faster than in full.
    """
    import pillow_heif

    pillow_heif.register_heif_opener()
    try:
        picture = Pillow.open(originals().path(image_id))
    except FileNotFoundError as error:
        raise NotFoundError(
            "The original of this picture is not in the media folder. Ingest its source again to bring it back."
        ) from error
    with picture:
        width, height = picture.size
        if scale < 1:
            picture.draft(None, (round(width * scale) + 1, round(height * scale) + 1))
        upright = _rgb(ImageOps.exif_transpose(picture), picture.format or "")
    return upright, max(upright.size) / max(width, height)


def _rgb(picture: Pillow.Image, format_name: str) -> Pillow.Image:
    """As extraction reads colours: transparency on white, 16-bit grey scaled to 8, plain CMYK as ink."""
    if picture.mode.startswith("I") or picture.mode == "F":
        deep = np.clip(np.asarray(picture).astype(np.int64), 0, 65535)
        return Pillow.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
    if picture.mode == "CMYK" and format_name in ("JPEG", "MPO") and "adobe" not in picture.info:
        picture = ImageChops.invert(picture)
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        backdrop = Pillow.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Pillow.alpha_composite(backdrop, picture)
    return picture.convert("RGB")


def _jpeg(picture: Pillow.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=False, progressive=False)
    return buffer.getvalue()
