"""Decodes whatever people keep as pictures into upright 8-bit pixels, and says why when it cannot."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
from PIL import Image

from ingest.vision.protocols import Box, Pixels
from personas.errors import FaceProjectError
from personas.pixels import open_picture, orientation, to_rgb

# 108-megapixel phone cameras fit; decoding one takes about 0.4 GB for a moment.
MAX_PIXELS = 120_000_000
MAX_BYTES = 200_000_000


class PictureError(FaceProjectError):
    """A file gives no picture. reason: a stable code for summaries and stored states."""

    reason: ClassVar[str] = "unreadable"


class EmptyPictureError(PictureError):
    """The file has no bytes."""

    reason = "empty"


class TruncatedPictureError(PictureError):
    """The file begins as a picture and ends too early."""

    reason = "truncated"


class NotAPictureError(PictureError):
    """The file is none of the accepted formats."""

    reason = "not_a_picture"


class TooManyPixelsError(PictureError):
    """The picture says it is larger than the limit; it was not decoded."""

    reason = "too_many_pixels"


class TooManyBytesError(PictureError):
    """The file is larger than the limit; it was not decoded."""

    reason = "too_many_bytes"


class UnreadablePictureError(PictureError):
    """The file is a picture of an accepted format and its content is damaged or of a kind nobody can read."""

    reason = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """An upright picture. pixels: uint8 (height, width, 3), BGR. format: JPEG, PNG, WEBP, GIF, BMP or HEIF."""

    pixels: Pixels
    format: str

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, max_bytes: int = MAX_BYTES) -> Picture:
    """The picture in the file content `data`: first frame, EXIF orientation applied, transparency on white.

    16-bit grey is scaled to 8 bits, CMYK becomes RGB. Raises a PictureError; nothing else but MemoryError gets out.
    """
    if not data:
        raise EmptyPictureError("The file is empty. Copy it again from where it came from.")
    if len(data) > max_bytes:
        raise TooManyBytesError(f"The file has {len(data):,} bytes, the limit is {max_bytes:,}. Save a smaller copy.")
    format_name = sniff(data)
    if format_name is None:
        raise NotAPictureError("The file is not a JPEG, PNG, WebP, GIF, BMP or HEIC picture. Convert it, or remove it.")
    try:
        with open_picture(io.BytesIO(data), (format_name,)) as image:
            _check_size(image.size, max_pixels)
            pixels = _jpeg_to_bgr(data, image) if format_name == "JPEG" else None
            if pixels is None:
                image.load()
                pixels = _to_bgr(image)
            return Picture(pixels=_upright(pixels, orientation(image)), format=format_name)
    except (PictureError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(f"The picture is over {max_pixels:,} pixels. Save a smaller copy.") from error
    except Exception as error:  # decoders fail in every way: OSError, SyntaxError, struct.error, KeyError ...
        if _ENDS_EARLY[format_name](data):
            raise TruncatedPictureError(
                f"The {format_name} file ends early ({len(data):,} bytes). Copy it again from where it came from."
            ) from error
        raise UnreadablePictureError(
            f"The {format_name} file cannot be decoded ({error}). Open it in a picture editor and save it again."
        ) from error


def cut_square(picture: Picture, box: Box, *, size: int, margin: float = 0.3) -> bytes:
    """A JPEG, at most `size` pixels wide, of the square around a box (pixels), with a margin in its longer sides."""
    x, y, width, height = box
    side = min(max(width, height) * (1 + 2 * margin), picture.width, picture.height)
    left = round(min(max(x + width / 2 - side / 2, 0), picture.width - side))
    top = round(min(max(y + height / 2 - side / 2, 0), picture.height - side))
    part = picture.pixels[top : top + max(round(side), 1), left : left + max(round(side), 1)]
    wanted = min(size, *part.shape[:2])
    _, jpeg = cv2.imencode(".jpg", cv2.resize(part, (wanted, wanted), interpolation=cv2.INTER_AREA))
    return bytes(jpeg)


def sniff(data: bytes) -> str | None:
    """The accepted format whose signature `data` begins with, by Pillow's name, or None."""
    for format_name, matches in _SIGNATURES.items():
        if matches(data):
            return format_name
    return None


# Brands of HEIC still pictures and sequences: ISO/IEC 23008-12, annex B and 10.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

# The size field of a BMP header tells its kind: 12 OS/2, 40 Windows, 52-124 later; a text beginning with BM has none.
_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}

_SIGNATURES: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda data: data.startswith(b"\xff\xd8\xff"),
    "PNG": lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"),
    "WEBP": lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP",
    "GIF": lambda data: data.startswith((b"GIF87a", b"GIF89a")),
    "BMP": lambda data: data.startswith(b"BM") and len(data) > 14 and data[14:18] in _BMP_HEADERS,
    "HEIF": lambda data: data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS,
}


def _heif_ends_early(data: bytes) -> bool:
    """Walk the top-level boxes (ISO/IEC 14496-12): one that reaches beyond the end was cut."""
    position = 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size == 1:
            size = int.from_bytes(data[position + 8 : position + 16], "big")
        if size == 0:
            return False
        if size < 8:
            return False
        position += size
    return position != len(data)


# A file that failed to decode is truncated when its end is missing, and damaged otherwise.
_ENDS_EARLY: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda data: b"\xff\xd9" not in data[-4096:],
    "PNG": lambda data: b"IEND" not in data[-4096:],
    "WEBP": lambda data: int.from_bytes(data[4:8], "little") + 8 > len(data),
    "GIF": lambda data: not data.rstrip(b"\0").endswith(b";"),
    "BMP": lambda data: int.from_bytes(data[2:6], "little") > len(data),
    "HEIF": _heif_ends_early,
}


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"The picture is {width} x {height} = {width * height:,} pixels, the limit is {max_pixels:,}. "
            "Save a smaller copy."
        )


def _upright(pixels: Pixels, turned: int) -> Pixels:
    """Undo what an EXIF orientation (CIPA DC-008, 4.6.4) says of the stored pixels; uint8 (H, W, 3), contiguous."""
    if turned >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _jpeg_to_bgr(data: bytes, image: Image.Image) -> Pixels | None:
    """Pixels of a whole grey or colour JPEG, not turned, or None when Pillow has to decode it.

    OpenCV decodes straight to BGR with the same library (12 megapixels: 31 ms, Pillow with its copies 111), but fills a
    file that ends early with grey in silence; so only files whose last bytes are the end marker come here.
    """
    if image.mode not in ("RGB", "L") or not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if pixels is None or pixels.shape[:2] != (image.height, image.width):
        return None
    return np.asarray(pixels, np.uint8)


def _to_bgr(image: Image.Image) -> Pixels:
    """Any mode Pillow gives for the accepted formats as uint8 (H, W, 3), BGR."""
    return np.asarray(cv2.cvtColor(np.asarray(to_rgb(image, image.format)), cv2.COLOR_RGB2BGR), np.uint8)
