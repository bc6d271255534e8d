"""Crops and previews cut from originals."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from personas import crops
from personas.entities import Box, Face, Image
from personas.errors import NotFoundError
from tests import factories


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = str(tmp_path / "media")
    settings.CACHE_ROOT = str(tmp_path / "cache")


def _original(picture: Pillow.Image, format_name: str = "PNG", **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return crops.originals().put(buffer.getvalue())


def _face(image_id: str, box: Box, face_no: int = 0) -> Face:
    return replace(factories.face(face_no=face_no, at_box=box), image_id=image_id)


def _image(image_id: str, width: int, height: int) -> Image:
    return replace(factories.extracted().image, image_id=image_id, width=width, height=height)


def _open(file: crops.CachedJpeg) -> Pillow.Image:
    with Pillow.open(file.path) as picture:
        picture.load()
        return picture.copy()


def _halves(size: tuple[int, int] = (400, 200)) -> Pillow.Image:
    """Red on the left, blue on the right."""
    picture = Pillow.new("RGB", size, (200, 0, 0))
    picture.paste((0, 0, 200), (size[0] // 2, 0, size[0], size[1]))
    return picture


def _colour(picture: Pillow.Image) -> str:
    red, _, blue = picture.resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    return "red" if red > 2 * blue else "blue" if blue > 2 * red else "both"


@pytest.mark.parametrize("size", crops.CROP_SIZES)
def test_a_crop_is_a_square_around_its_face(size: int) -> None:
    image_id = _original(_halves())
    cut = _open(crops.cut_face(_face(image_id, Box(40, 60, 60, 80)), size=size))
    assert cut.size == (size, size)
    assert _colour(cut) == "red"


@pytest.mark.parametrize("box", [Box(-20, -20, 60, 60), Box(380, 180, 60, 60), Box(150, 0, 390, 390)])
def test_a_face_at_the_edge_is_cut_without_a_margin_of_nothing(box: Box) -> None:
    picture = _halves()
    image_id = _original(picture)
    cut = _open(crops.cut_face(_face(image_id, box), size=96))
    darkest, _ = cut.convert("L").getextrema()
    assert darkest > 10  # type: ignore[operator]


def test_boxes_are_of_the_upright_picture() -> None:
    turned = _halves().rotate(-90, expand=True)  # stored lying; orientation 8 turns it back
    exif = Pillow.Exif()
    exif[0x0112] = 8
    image_id = _original(turned, "JPEG", exif=exif)
    assert _colour(_open(crops.cut_face(_face(image_id, Box(20, 60, 60, 60)), size=96))) == "red"
    assert _colour(_open(crops.cut_face(_face(image_id, Box(320, 60, 60, 60)), size=96))) == "blue"


def test_a_large_jpeg_is_decoded_small_and_cut_right() -> None:
    image_id = _original(_halves((3200, 1600)), "JPEG")
    cut = _open(crops.cut_face(_face(image_id, Box(1700, 200, 800, 900)), size=96))
    assert _colour(cut) == "blue"


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "I;16", "1"])
def test_every_kind_of_pixels_gives_a_jpeg(mode: str) -> None:
    picture = Pillow.new("I;16", (200, 200), 40000) if mode == "I;16" else Pillow.new("RGB", (200, 200)).convert(mode)
    image_id = _original(picture, "JPEG" if mode == "CMYK" else "PNG")
    assert _open(crops.cut_face(_face(image_id, Box(50, 50, 60, 60)), size=96)).mode == "RGB"


def test_all_faces_of_a_picture_are_cut_from_one_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = _original(_halves())
    faces = [_face(image_id, Box(20 + 90 * n, 60, 60, 60), face_no=n) for n in range(4)]
    opened: list[str] = []
    open_upright = crops._open_upright

    def counted(image_id: str, *, scale: float) -> tuple[Pillow.Image, float]:
        opened.append(image_id)
        return open_upright(image_id, scale=scale)

    monkeypatch.setattr(crops, "_open_upright", counted)
    for face in faces:
        crops.cut_face(face, size=96, neighbours=faces)
    assert len(opened) == 1


def test_an_empty_cache_file_is_cut_again() -> None:
    face = _face(_original(_halves()), Box(40, 60, 60, 80))
    file = crops.cut_face(face, size=96)
    file.path.write_bytes(b"")
    assert _open(crops.cut_face(face, size=96)).size == (96, 96)


def test_another_box_is_another_file() -> None:
    image_id = _original(_halves())
    first, second = _face(image_id, Box(40, 60, 60, 80)), _face(image_id, Box(41, 60, 60, 80))
    assert crops.cut_face(first, size=96).digest != crops.cut_face(second, size=96).digest


def test_a_preview_keeps_the_shape() -> None:
    image_id = _original(_halves((800, 400)))
    assert _open(crops.shrink_picture(_image(image_id, 800, 400), size=320)).size == (320, 160)


def test_a_missing_original_is_named_as_such() -> None:
    image_id = hashlib.sha256(b"never stored").hexdigest()
    with pytest.raises(NotFoundError, match="Ingest its source again"):
        crops.cut_face(_face(image_id, Box(0, 0, 10, 10)), size=96)
