"""What a stored picture looks like: accepted formats, EXIF orientation, and any pixels as 8-bit RGB.

Extraction and crops read pictures by the same rules, so that a box found by one lies right in the other. No Django
here: extraction processes import this.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import IO, Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageChops

#: By Pillow's names. A JPEG of several pictures opens as "MPO".
FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "HEIF")

_EXIF_ORIENTATION = 0x0112  # CIPA DC-008 (Exif 2.32), 4.6.4
_OPAQUE_BACKGROUND = (255, 255, 255, 255)

#: What makes a stored picture upright, by its EXIF orientation.
_TRANSPOSITIONS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}

#: left, top, right, bottom
Rectangle = tuple[float, float, float, float]


def open_picture(file: Path | IO[bytes], formats: Collection[str] = FORMATS) -> Pillow.Image:
    """The picture's header; pixels are decoded when they are asked for. Raises what Pillow raises."""
    if "HEIF" in formats:
        import pillow_heif

        pillow_heif.register_heif_opener()
    return Pillow.open(file, formats=tuple(formats))


def orientation(picture: Pillow.Image) -> int:
    """The EXIF orientation, 1..8; 1 when there is none, or none that means anything."""
    try:
        value = picture.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001  a broken EXIF block (any error of the parser) must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(size: tuple[int, int], turned: int) -> tuple[int, int]:
    """Width and height after undoing the orientation `turned`."""
    return (size[1], size[0]) if turned >= 5 else size


def upright(picture: Pillow.Image, turned: int) -> Pillow.Image:
    """The picture, or any part of it, with the orientation `turned` undone; the same object where nothing is to do."""
    return picture.transpose(_TRANSPOSITIONS[turned]) if turned in _TRANSPOSITIONS else picture


def stored_rectangle(rectangle: Rectangle, size: tuple[int, int], turned: int) -> Rectangle:
    """Where a rectangle of the upright picture lies in the stored one of `size`."""
    left, top, right, bottom = rectangle
    if turned in (5, 6, 7, 8):
        left, top, right, bottom = top, left, bottom, right
    width, height = size
    if turned in (2, 3, 7, 8):
        left, right = width - right, width - left
    if turned in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    return left, top, right, bottom


def to_rgb(picture: Pillow.Image, format_name: str | None) -> Pillow.Image:
    """Any mode of the accepted formats as RGB: transparency on white, 16-bit grey scaled to 8, plain CMYK as ink.

    format_name: Pillow's, for a part that was cut out does not know it. An RGB picture comes back as it is.
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep_grey(picture)
    if picture.mode == "CMYK" and format_name in ("JPEG", "MPO") and "adobe" not in picture.info:
        # Pillow inverts every CMYK JPEG, as Adobe's writers mean it; without Adobe's marker values are plain ink, which
        # is how libvips and ImageMagick read them too.
        picture = ImageChops.invert(picture)
    if "A" in picture.getbands() or "a" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Pillow.alpha_composite(Pillow.new("RGBA", picture.size, _OPAQUE_BACKGROUND), picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _from_deep_grey(picture: Pillow.Image) -> Pillow.Image:
    """16-bit grey, 0..65535, to 8 bits, 0..255 (Pillow's own convert() cuts everything over 255 off)."""
    deep = np.clip(np.asarray(picture).astype(np.int64), 0, 65535)
    return Pillow.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8)).convert("RGB")
