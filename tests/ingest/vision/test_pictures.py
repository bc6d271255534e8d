"""Every format and mode people keep pictures in, and every way a file can be bad."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from ingest.vision.pictures import PictureError, decode
from tests.ingest.vision.conftest import assert_painted, saved


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_format_is_decoded_upright_in_bgr(painted: Image.Image, format_name: str) -> None:
    picture = decode(saved(painted, format_name, quality=95))
    assert (picture.width, picture.height, picture.format) == (60, 40, format_name)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    assert_painted(picture.pixels)


def test_heic_is_decoded(painted: Image.Image) -> None:
    pillow_heif.register_heif_opener()
    picture = decode(saved(painted.resize((240, 160), Image.Resampling.NEAREST), "HEIF", quality=95))
    assert (picture.width, picture.height, picture.format) == (240, 160, "HEIF")
    assert_painted(picture.pixels)


_STORED_AS = {  # EXIF orientation -> how a camera stores an upright picture under it
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(painted: Image.Image, orientation: int, format_name: str) -> None:
    turn = _STORED_AS[orientation]
    stored = painted if turn is None else painted.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(saved(stored, format_name, quality=95, exif=exif))
    assert (picture.width, picture.height) == (60, 40)
    assert_painted(picture.pixels)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_ignored(painted: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_painted(decode(saved(painted, "JPEG", quality=95, exif=exif)).pixels)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_broken_exif_block_does_not_cost_the_picture(painted: Image.Image) -> None:
    broken = b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\xff" * 20
    assert_painted(decode(saved(painted, "JPEG", quality=95, exif=broken)).pixels)


def test_heic_orientation_is_applied_once(painted: Image.Image) -> None:
    """As phones write it: the turn is a property of the item (irot), the EXIF tag repeats it."""
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = painted.resize((240, 160), Image.Resampling.NEAREST).transpose(Image.Transpose.ROTATE_90)
    content = saved(stored, "HEIF", quality=95, exif=exif.tobytes())
    assert b"irot" in content
    picture = decode(content)
    assert (picture.width, picture.height) == (240, 160)
    assert_painted(picture.pixels)


def test_a_palette_is_resolved(painted: Image.Image) -> None:
    assert_painted(decode(saved(painted.quantize(8), "PNG")).pixels)


def test_grey_becomes_three_equal_channels(painted: Image.Image) -> None:
    pixels = decode(saved(painted.convert("L"), "JPEG", quality=95)).pixels
    assert pixels.shape == (40, 60, 3)
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])
    np.testing.assert_allclose(pixels[..., 1], np.asarray(painted.convert("L")), atol=30)


def test_one_bit_is_black_and_white() -> None:
    half = Image.new("1", (16, 8), 0)
    half.paste(1, (8, 0, 16, 8))
    pixels = decode(saved(half, "PNG")).pixels
    assert (pixels[:, :8] == 0).all()
    assert (pixels[:, 8:] == 255).all()


def test_sixteen_bit_grey_is_scaled_not_cut() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    pixels = decode(saved(Image.fromarray(ramp), "PNG")).pixels
    np.testing.assert_allclose(pixels[0, :, 0], np.arange(256), atol=1)


def test_sixteen_bit_colour_is_scaled(painted: Image.Image) -> None:
    deep = np.asarray(painted).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    assert_painted(decode(_png(60, 40, bits=16, colour=2, rows=zlib.compress(rows))).pixels)


def test_transparency_lies_on_white(painted: Image.Image) -> None:
    clear = painted.convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 255))
    clear.paste((0, 0, 0, 0), (0, 0, 10, 10))
    pixels = decode(saved(clear, "PNG")).pixels
    assert (pixels[:10, :10] == 255).all()
    np.testing.assert_allclose(pixels[15, 45, ::-1], (30, 200, 40))


def test_grey_with_alpha_lies_on_white() -> None:
    pixels = decode(saved(Image.new("LA", (8, 8), (0, 128)), "PNG")).pixels
    np.testing.assert_allclose(pixels, 127, atol=1)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_colour_declared_transparent_lies_on_white(mode: str) -> None:
    image = Image.new(mode, (8, 8), 0)
    key: int | tuple[int, ...] = (0, 0, 0) if mode == "RGB" else 0
    assert (decode(saved(image, "PNG", transparency=key)).pixels == 255).all()


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}], ids=["plain", "progressive", "444"]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_fast_way_through_a_jpeg_gives_pillows_pixels(
    painted: Image.Image, mode: str, options: dict[str, object]
) -> None:
    smooth = painted.resize((301, 203), Image.Resampling.BICUBIC).convert(mode)
    content = saved(smooth, "JPEG", quality=85, **options)
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(image.convert("RGB"))[..., ::-1]
    np.testing.assert_allclose(decode(content).pixels.astype(int), expected, atol=1)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(painted: Image.Image) -> None:
    assert_painted(decode(saved(painted, "JPEG", quality=95) + b"a phone's notes").pixels)


def test_cmyk_as_adobe_writes_it_is_right(painted: Image.Image) -> None:
    content = saved(painted.convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in content
    assert_painted(decode(content).pixels, tolerance=20)


def test_cmyk_without_adobes_marker_is_plain_ink(painted: Image.Image) -> None:
    inverted = Image.fromarray(255 - np.asarray(painted.convert("CMYK")), "CMYK")
    content = saved(inverted, "JPEG", quality=95)  # Pillow inverts again: the file now holds plain ink
    marker = content.index(b"Adobe") - 4
    length = 2 + int.from_bytes(content[marker + 2 : marker + 4], "big")
    assert_painted(decode(content[:marker] + content[marker + length :]).pixels, tolerance=20)


def test_the_first_frame_of_an_animation_counts(painted: Image.Image) -> None:
    content = saved(
        painted, "GIF", save_all=True, append_images=[Image.new("RGB", painted.size, "black")], duration=100
    )
    assert_painted(decode(content).pixels)


def test_a_jpeg_that_carries_a_second_picture_is_a_jpeg(painted: Image.Image) -> None:
    content = saved(painted, "MPO", save_all=True, append_images=[Image.new("RGB", painted.size)], quality=95)
    picture = decode(content)
    assert picture.format == "JPEG"
    assert_painted(picture.pixels)


def test_a_picture_of_one_pixel_is_a_picture() -> None:
    assert decode(saved(Image.new("RGB", (1, 1), "red"), "PNG")).pixels.tolist() == [[[0, 0, 255]]]


def test_an_empty_file_is_reported() -> None:
    assert _reason(b"") == "empty"


@pytest.mark.parametrize(
    "content",
    [
        b"hello, this is text",
        b"BMX racing is a sport, says this text",
        b"\0" * 100,
        b"%PDF-1.7 ...",
        b"II*\0" + b"\0" * 50,
    ],
    ids=["text", "text beginning BM", "zeros", "pdf", "tiff"],
)
def test_what_is_no_accepted_picture_is_reported(content: bytes) -> None:
    assert _reason(content) == "not_a_picture"


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_file_that_ends_early_is_reported(format_name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), format_name)
    assert _reason(content[: max(30, int(len(content) * share))]) == "truncated"


def test_a_heic_that_ends_early_is_reported() -> None:
    pillow_heif.register_heif_opener()
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), "HEIF")
    for share in (0.05, 0.5, 0.9):
        assert _reason(content[: int(len(content) * share)]) == "truncated"


def test_a_damaged_picture_is_reported() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    content = bytearray(saved(Image.fromarray(noise), "PNG"))
    content[200:400] = b"\xff" * 200
    assert _reason(bytes(content)) == "unreadable"


def test_a_bomb_is_refused_by_its_header_alone() -> None:
    assert _reason(_png(60_000, 60_000, bits=8, colour=2, rows=zlib.compress(b"\0" * 10))) == "too_many_pixels"


def test_a_picture_just_over_the_limit_is_refused() -> None:
    content = saved(Image.new("RGB", (101, 100)), "PNG")
    assert decode(content, max_pixels=10_100).width == 101
    assert _reason(content, max_pixels=10_099) == "too_many_pixels"


def test_a_file_over_the_byte_limit_is_refused() -> None:
    assert _reason(saved(Image.new("RGB", (10, 10)), "BMP"), max_bytes=100) == "too_many_bytes"


def test_a_message_says_what_to_do() -> None:
    with pytest.raises(PictureError, match=r"101 x 100 = 10,100 pixels, the limit is 10,000. Save a smaller copy."):
        decode(saved(Image.new("RGB", (101, 100)), "PNG"), max_pixels=10_000)


def test_random_damage_raises_nothing_but_picture_errors(painted: Image.Image) -> None:
    random = np.random.default_rng(1)
    for format_name in ("JPEG", "PNG", "WEBP", "GIF", "BMP"):
        whole = saved(painted, format_name)
        for _ in range(60):
            content = bytearray(whole)
            for position in random.integers(0, len(content), 5):
                content[position] = random.integers(256)
            try:
                assert decode(bytes(content), max_pixels=10_000_000).pixels.ndim == 3
            except PictureError as error:
                assert error.reason


def _reason(content: bytes, **limits: int) -> str:
    with pytest.raises(PictureError) as caught:
        decode(content, **limits)
    assert str(caught.value)
    return caught.value.reason


def _png(width: int, height: int, *, bits: int, colour: int, rows: bytes) -> bytes:
    """A PNG file by hand (RFC 2083): what its header says need not be true."""
    out = io.BytesIO(b"")
    out.write(b"\x89PNG\r\n\x1a\n")
    for kind, body in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)),
        (b"IDAT", rows),
        (b"IEND", b""),
    ):
        out.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))
    return out.getvalue()
