"""What the vision tests share: a painted picture, a drawn face and the real extractor."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ingest.vision import ExtractorConfig, FaceExtractor, build_extractor

# Quadrants of the painted picture, RGB: an orientation or channel mistake moves or changes at least one.
CORNERS = {
    "top left": (220, 30, 30),
    "top right": (30, 200, 40),
    "bottom left": (40, 50, 210),
    "bottom right": (240, 220, 40),
}


@pytest.fixture(scope="session")
def painted() -> Image.Image:
    """60x40 RGB: red, green / blue, yellow."""
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30], pixels[:20, 30:] = CORNERS["top left"], CORNERS["top right"]
    pixels[20:, :30], pixels[20:, 30:] = CORNERS["bottom left"], CORNERS["bottom right"]
    return Image.fromarray(pixels)


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    """`image` as the content of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def corners_of(pixels: NDArray[np.uint8]) -> dict[str, tuple[int, ...]]:
    """The colours in the middle of the four quadrants of BGR pixels, as RGB."""
    height, width = pixels.shape[:2]
    rows, columns = (height // 4, height * 3 // 4), (width // 4, width * 3 // 4)
    names = iter(CORNERS)
    return {next(names): tuple(int(c) for c in pixels[row, column, ::-1]) for row in rows for column in columns}


def assert_painted(pixels: NDArray[np.uint8], *, tolerance: int = 12) -> None:
    """The pixels show the painted picture, upright and in BGR."""
    for name, colour in corners_of(pixels).items():
        np.testing.assert_allclose(colour, CORNERS[name], atol=tolerance, err_msg=name)


def drawn_face(size: int = 250, *, skin: tuple[int, int, int] = (135, 170, 225)) -> NDArray[np.uint8]:
    """A drawn portrait, uint8 (size, size, 3), BGR; at 120 to 1200 pixels YuNet takes it for a face (score 0.9)."""
    k = size / 250

    def at(*values: float) -> tuple[int, ...]:
        return tuple(round(value * k) for value in values)

    def oval(centre: tuple[int, int], axes: tuple[int, int], colour: tuple[int, int, int]) -> None:
        cv2.ellipse(canvas, at(*centre), at(*axes), 0, 0, 360, colour, -1, cv2.LINE_AA)

    canvas = np.full((size, size, 3), (170, 150, 120), np.uint8)
    oval((125, 240), (90, 70), (90, 60, 40))  # shoulders
    oval((125, 105), (62, 80), (30, 40, 60))  # hair
    cv2.rectangle(canvas, at(105, 170), at(145, 215), (110, 145, 200), -1)  # neck
    oval((125, 125), (50, 68), skin)
    for x in (105, 145):
        oval((x, 112), (11, 6), (245, 245, 245))
        oval((x, 112), (5, 5), (40, 40, 50))
        cv2.ellipse(canvas, at(x, 100), at(14, 5), 0, 180, 360, (40, 50, 70), max(1, int(4 * k)), cv2.LINE_AA)  # brow
    cv2.line(canvas, at(125, 115), at(122, 143), (105, 135, 190), max(1, int(4 * k)), cv2.LINE_AA)
    cv2.ellipse(canvas, at(125, 145), at(10, 5), 0, 0, 180, (90, 120, 180), max(1, int(3 * k)), cv2.LINE_AA)
    oval((125, 166), (20, 7), (90, 90, 190))  # mouth
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.5 * k), np.uint8)


# Where the drawn portrait's landmarks are at size 250: eyes, tip of the nose, mouth corners.
DRAWN_LANDMARKS = np.array([[105, 112], [145, 112], [124, 144], [107, 166], [143, 166]], np.float32)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """BGR pixels as a PNG file."""
    return saved(Image.fromarray(np.ascontiguousarray(pixels[..., ::-1])), "PNG")


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def extractor(model_cache: Path) -> FaceExtractor:
    return build_extractor(ExtractorConfig(cache_dir=model_cache))
