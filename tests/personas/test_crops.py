"""Crops and previews cut from originals."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow
from PIL import ImageOps

from personas import crops
from personas.entities import Box, Face, Image
from personas.errors import FaceProjectError, NotFoundError, TransientError
from personas.pixels import orientation as orientation_of
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
    open_one = crops._opened
    monkeypatch.setattr(crops, "_opened", lambda image_id: opened.append(image_id) or open_one(image_id))
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


def test_what_is_cut_while_its_picture_is_erased_goes_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image_id = _original(_halves((800, 400)))
    encode = crops._jpeg

    def erased_meanwhile(picture: Pillow.Image) -> bytes:
        crops.drop_pictures([image_id])
        return encode(picture)

    monkeypatch.setattr(crops, "_jpeg", erased_meanwhile)
    with pytest.raises(NotFoundError, match="not in the media folder"):
        crops.shrink_picture(_image(image_id, 800, 400), size=320)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_files_that_cannot_be_removed_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    image_id = _original(_halves())
    crops.shrink_picture(_image(image_id, 400, 200), size=320)

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(crops.shutil, "rmtree", refused)
    with pytest.raises(TransientError, match=r"Permission denied.*CACHE_ROOT"):
        crops.drop_pictures([image_id])


def test_a_missing_original_is_named_as_such() -> None:
    image_id = hashlib.sha256(b"never stored").hexdigest()
    with pytest.raises(NotFoundError, match="Ingest its source again"):
        crops.cut_face(_face(image_id, Box(0, 0, 10, 10)), size=96)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_cut_and_shrunk_as_the_upright_picture(orientation: int) -> None:
    quarters = Pillow.new("RGB", (40, 60))
    for place, colour in {(0, 0): "#c00", (20, 0): "#0c0", (0, 30): "#00c", (20, 30): "#cc0"}.items():
        quarters.paste(colour, (*place, place[0] + 20, place[1] + 30))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image_id = _original(quarters, "PNG", exif=exif)
    with Pillow.open(crops.originals().path(image_id)) as stored:
        upright = ImageOps.exif_transpose(stored)
    preview = _open(crops.shrink_picture(_image(image_id, *upright.size), size=320))
    assert preview.size == upright.size
    for x, y in [(8, 8), (upright.width - 8, 8), (8, upright.height - 8), (upright.width - 8, upright.height - 8)]:
        expected = upright.getpixel((x, y))
        cut = _open(crops.cut_face(_face(image_id, Box(x - 2, y - 2, 4, 4)), size=96))
        for found in (preview.getpixel((x, y)), cut.getpixel((48, 48))):
            assert found == pytest.approx(expected, abs=40)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "I;16"])
def test_nothing_as_large_as_the_picture_is_made_beside_it(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """An 11000 x 10500 PNG used to cost 1.2 GB: it was copied upright, converted, and then cut."""
    whole = (2000, 1600)
    picture = Pillow.new("I;16", whole, 40000) if mode == "I;16" else Pillow.new("RGB", whole).convert(mode)
    image_id = _original(picture)
    monkeypatch.setattr(crops, "_STRIP_PIXELS", 50_000)
    made: list[int] = []
    make = Pillow.Image._new
    monkeypatch.setattr(
        Pillow.Image, "_new", lambda self, core: made.append(core.size[0] * core.size[1]) or make(self, core)
    )
    crops.cut_face(_face(image_id, Box(300, 300, 200, 200)), size=96)
    crops.shrink_picture(_image(image_id, *whole), size=320)
    assert made
    assert max(made) < whole[0] * whole[1] / 2


def test_two_large_pictures_are_decoded_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "_LARGE_PIXELS", 100)
    at_work, most, lock = 0, 0, threading.Lock()

    def slow(picture: Pillow.Image) -> int:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.05)
        with lock:
            at_work -= 1
        return orientation_of(picture)

    monkeypatch.setattr(crops, "orientation", slow)
    originals = [_original(_halves((400, 200 + number))) for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda image_id: crops.shrink_picture(_image(image_id, 400, 200), size=320), originals[:3]))
        list(threads.map(lambda image_id: crops.cut_face(_face(image_id, Box(9, 9, 60, 60)), size=96), originals))
    assert most == 2


def test_a_picture_over_the_limit_is_not_decoded(settings: Any) -> None:
    image_id = _original(_halves())
    settings.MAX_IMAGE_PIXELS = 400 * 200 - 1
    with pytest.raises(crops.PictureTooLargeError, match="MAX_IMAGE_PIXELS"):
        crops.shrink_picture(_image(image_id, 400, 200), size=320)


def test_only_formats_that_are_taken_in_are_opened() -> None:
    with pytest.raises(FaceProjectError, match="cannot be decoded"):
        crops.cut_face(_face(_original(_halves(), "TIFF"), Box(9, 9, 60, 60)), size=96)
