"""Face crops and picture previews, cut on demand from the originals and cached as files.

A cached file is named by the hash of everything that shapes it, so it is never stale and may be deleted at any time.
Those of a picture lie in a folder of its own, `CACHE_ROOT/pictures/ab/abcd…/`, which goes when the picture is erased.

A large picture costs its decoded pixels (up to four bytes each) and nothing of that size beside them, for parts are cut
out before they are converted or turned. Two large pictures are held at once, however many threads ask.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from personas.entities import Box, Face, Image
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.media import FAILED_UPLOADS, UPLOAD_DIGITS, MediaFolder, write_atomically
from personas.pixels import Rectangle, open_picture, orientation, stored_rectangle, to_rgb, upright, upright_size

#: Sides of a face crop in pixels: a list, a grid, a large screen.
CROP_SIZES = (96, 192, 384)
#: Longest side of a picture's preview: a thumbnail, a page, a page that is zoomed into.
PREVIEW_SIZES = (320, 1600, 4096)

#: Where crops and previews lay before each picture had a folder of its own.
_OLD_CACHES = ("crops", "previews")
_CUT_VERSION = "1"  # raise it when the way crops are cut changes, so that old cache files are not used
_MARGIN = 0.3  # of the longer side of the box, on each side: hair and chin belong to a face that people look at
_JPEG_QUALITY = 86
_LARGE_PIXELS = 24_000_000  # about 100 MB decoded: as many at once as there are threads
_LARGE_AT_ONCE = threading.BoundedSemaphore(2)
_STRIP_PIXELS = 2_000_000  # converted at once
_RIM = 8  # pixels around a crop that resampling may look at


class UnableToDecodeError(FaceProjectError):
    """The original is no picture of an accepted format, or is damaged: changed in the media folder."""


class PictureTooLargeError(FaceProjectError):
    """A picture over MAX_IMAGE_PIXELS: taken in when the limit was higher."""


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
    with _decoded(faces[0].image_id, scale=max(size / _side(face.box) for face in faces)) as original:
        for face in faces:
            file = _crop_file(face, size)
            if not _is_cached(file):
                square = _square(face.box, original.scale, original.upright_size)
                _cache(face.image_id, file, original.crop(square, size))


def shrink_picture(image: Image, *, size: int) -> CachedJpeg:
    """The whole picture, its longest side at most `size` pixels; any format becomes a JPEG browsers can show."""
    digest = _digest("preview", image.image_id, str(size))
    wanted = CachedJpeg(_cache_path(image.image_id, digest), digest)
    if not _is_cached(wanted):
        with _lock_of(image.image_id):
            if not _is_cached(wanted):
                with _decoded(image.image_id, scale=size / max(image.width, image.height)) as original:
                    _cache(image.image_id, wanted, original.shrunk(size))
    return wanted


def _crop_file(face: Face, size: int) -> CachedJpeg:
    digest = _digest(crop_digest(face), str(size))
    return CachedJpeg(_cache_path(face.image_id, digest), digest)


def drop_pictures(image_ids: Collection[str]) -> None:
    """Originals go, what failed uploads keep of them, and all that was cut from them and is cached on this machine.

    Safe to repeat. Raises TransientError where something cannot be removed.
    """
    try:
        for image_id in image_ids:
            originals().drop(image_id)
            _remove(_cache_folder(image_id))
        for folder in _kept_by_uploads({image_id[:UPLOAD_DIGITS] for image_id in image_ids}):
            _remove(folder)
        for name in _OLD_CACHES:
            _remove(Path(settings.CACHE_ROOT) / name)
    except OSError as error:
        raise TransientError(
            f"The files of a picture that is to be erased cannot be removed ({error.strerror}). Let this process write "
            "below MEDIA_ROOT and CACHE_ROOT; it is tried again."
        ) from error


def _kept_by_uploads(names: Collection[str]) -> list[Path]:
    """Folders of pictures, in those of uploads that failed and wait for a retry."""
    return [each for each in (Path(settings.MEDIA_ROOT) / FAILED_UPLOADS).glob("*/*") if each.name in names]


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _cache(image_id: str, file: CachedJpeg, picture: Pillow.Image) -> None:
    """Raises NotFoundError when the original went meanwhile: whoever erases a picture drops that first."""
    write_atomically(file.path, _jpeg(picture), durable=False)
    if not originals().exists(image_id):
        _remove(_cache_folder(image_id))
        raise NotFoundError(_MISSING)


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


def _cache_folder(image_id: str) -> Path:
    """A folder a picture, so that all of it can be dropped without knowing what was asked for."""
    return Path(settings.CACHE_ROOT) / "pictures" / image_id[:2] / image_id


def _cache_path(image_id: str, digest: str) -> Path:
    return _cache_folder(image_id) / f"{digest}.jpg"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Original:
    """A decoded picture as it is stored. scale: its size against the original's (JPEG is decoded smaller)."""

    picture: Pillow.Image
    format: str | None
    turned: int
    scale: float

    @property
    def upright_size(self) -> tuple[int, int]:
        return upright_size(self.picture.size, self.turned)

    def crop(self, square: Rectangle, size: int) -> Pillow.Image:
        """A square of the upright picture, `size` pixels wide."""
        left, top, right, bottom = stored_rectangle(square, self.picture.size, self.turned)
        factor = max(1, int(right - left) // (2 * size))
        width, height = self.picture.size
        x, y = max(math.floor(left) - _RIM * factor, 0), max(math.floor(top) - _RIM * factor, 0)
        x_end, y_end = math.ceil(right) + _RIM * factor, math.ceil(bottom) + _RIM * factor
        part = self._reduced((x, y, min(x_end, width), min(y_end, height)), factor)
        within = ((left - x) / factor, (top - y) / factor, (right - x) / factor, (bottom - y) / factor)
        return upright(part.resize((size, size), Pillow.Resampling.LANCZOS, box=within), self.turned)

    def shrunk(self, size: int) -> Pillow.Image:
        """The whole picture, its longest side at most `size` pixels."""
        width, height = self.picture.size
        whole = self._reduced((0, 0, width, height), max(1, max(width, height) // (2 * size)))
        whole.thumbnail((size, size), Pillow.Resampling.LANCZOS)
        return upright(whole, self.turned)

    def _reduced(self, part: tuple[int, int, int, int], factor: int) -> Pillow.Image:
        """A part as RGB, `factor` x `factor` pixels as one; strip by strip, so that little is converted at once."""
        left, top, right, bottom = part
        reduced = Pillow.new("RGB", (math.ceil((right - left) / factor), math.ceil((bottom - top) / factor)))
        rows = max(1, _STRIP_PIXELS // ((right - left) * factor)) * factor
        for y in range(top, bottom, rows):
            strip = to_rgb(self.picture.crop((left, y, right, min(y + rows, bottom))), self.format)
            reduced.paste(strip.reduce(factor), (0, (y - top) // factor))
        return reduced


@contextlib.contextmanager
def _decoded(image_id: str, *, scale: float) -> Iterator[_Original]:
    """The original's pixels, for as long as the block runs. Raises NotFoundError and PictureTooLargeError.

    scale: the smallest that serves; JPEG decodes at 1/2, 1/4 and 1/8 much faster than in full.
    """
    with _opened(image_id) as picture:
        width, height = picture.size
        if width * height > settings.MAX_IMAGE_PIXELS:
            raise PictureTooLargeError(f"{_TOO_LARGE} It has {width} × {height} pixels.")
        with _LARGE_AT_ONCE if width * height > _LARGE_PIXELS else contextlib.nullcontext():
            if scale < 1:
                picture.draft(None, (round(width * scale) + 1, round(height * scale) + 1))
            try:
                _load(picture)
                decoded_scale = max(picture.size) / max(width, height)
                turned = orientation(picture)
                yield _Original(picture=picture, format=picture.format, turned=turned, scale=decoded_scale)
            finally:
                picture.close()  # lets go of the pixels before the next one may begin


_DAMAGED = "The original of this picture cannot be decoded. Restore the media folder from a backup."
_MISSING = "The original of this picture is not in the media folder. Ingest its source again to bring it back."
_TOO_LARGE = "The picture is larger than MAX_IMAGE_PIXELS allows. Raise that setting to look at it."


def _load(picture: Pillow.Image) -> None:
    try:
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise over damaged content
        raise UnableToDecodeError(_DAMAGED) from error


def _opened(image_id: str) -> Pillow.Image:
    try:
        return open_picture(originals().path(image_id))
    except FileNotFoundError as error:
        raise NotFoundError(_MISSING) from error
    except Pillow.DecompressionBombError as error:
        raise PictureTooLargeError(_TOO_LARGE) from error
    except UnidentifiedImageError as error:
        raise UnableToDecodeError(_DAMAGED) from error


def _jpeg(picture: Pillow.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=False, progressive=False)
    return buffer.getvalue()
