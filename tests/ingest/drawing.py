"""Small pictures and sidecars for tests of ingest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tests.ingest.fakes import RED

Colour = tuple[int, int, int]
Square = tuple[int, int, int, Colour]  #: x, y, size, colour


def draw(path: Path, squares: Sequence[Square] = ((130, 90, 60, RED),), *, shade: int = 128) -> Path:
    """A 320 x 240 picture; `shade` (of the grey ground) makes contents differ. The format follows the name."""
    image = Image.new("RGB", (320, 240), (shade, shade, shade))
    pen = ImageDraw.Draw(image)
    for x, y, size, colour in squares:
        pen.rectangle((x, y, x + size - 1, y + size - 1), fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="PNG" if path.suffix.lower() not in (".jpg", ".jpeg") else "JPEG")
    return path


def sidecar(picture: Path, **fields: Any) -> Path:
    """`{"persona": null, "labeled": false, …}` beside a picture."""
    path = picture.with_suffix(".json")
    path.write_text(json.dumps({"persona": None, "labeled": False, **fields}))
    return path
