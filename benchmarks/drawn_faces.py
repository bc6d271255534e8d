"""Faces of nobody, drawn from random numbers: what a face detector takes for a face and no recogniser knows."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]

SKINS: tuple[Colour, ...] = ((224, 180, 150), (198, 144, 112), (141, 96, 70), (240, 205, 180), (170, 120, 90))
HAIR: tuple[Colour, ...] = ((40, 28, 20), (90, 60, 35), (150, 110, 60), (70, 70, 75), (25, 25, 28))
IRISES: tuple[Colour, ...] = ((70, 45, 25), (60, 90, 120), (70, 100, 60))


def draw_face(rng: random.Random, *, size: int = 420, bar: bool = False) -> Image.Image:
    """A front view, size x size pixels; `bar` covers the eyes. Drawn at twice the size and reduced, for soft edges."""
    side = size * 2
    picture = Image.new("RGB", (side, side), (rng.randint(90, 220), rng.randint(90, 220), rng.randint(90, 220)))
    face = _Face(ImageDraw.Draw(picture), rng, side)
    face.draw()
    if bar:
        face.draw_bar()
    return picture.filter(ImageFilter.GaussianBlur(side * 0.0035)).resize((size, size), Image.Resampling.LANCZOS)


class _Face:
    """One face on a canvas of `side` pixels; every proportion is drawn from `rng`."""

    def __init__(self, canvas: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
        self.canvas, self.rng, self.side = canvas, rng, side
        self.skin, self.hair, self.iris = rng.choice(SKINS), rng.choice(HAIR), rng.choice(IRISES)
        self.x, self.y = side / 2, side * 0.48
        self.width, self.height = side * rng.uniform(0.20, 0.25), side * rng.uniform(0.27, 0.32)
        self.eye_y = self.y - self.height * rng.uniform(0.05, 0.14)
        self.eye_x = self.width * rng.uniform(0.40, 0.48)

    def draw(self) -> None:
        self._head()
        for eye in (-1, 1):
            self._eye(self.x + eye * self.eye_x)
        self._nose()
        self._mouth()

    def draw_bar(self) -> None:
        half = self.eye_x * 0.45
        self.canvas.rectangle(
            (self.x - self.width, self.eye_y - half, self.x + self.width, self.eye_y + half), fill=(18, 18, 20)
        )

    def _head(self) -> None:
        x, y, w, h = self.x, self.y, self.width, self.height
        self._oval(x, y - h * 0.2, w * 1.25, h * 1.1, self.hair)
        self.canvas.rectangle((x - w * 0.45, y + h * 0.6, x + w * 0.45, y + h * 1.5), fill=_shade(self.skin, 0.72))
        shirt = (self.rng.randint(30, 160), self.rng.randint(30, 160), self.rng.randint(30, 160))
        self._oval(x, y + h * 2.1, w * 2.1, h * 0.9, shirt)
        self._oval(x, y, w, h, self.skin)
        fringe = (x - w * 1.05, y - h * 1.15, x + w * 1.05, y + h * 0.5)
        self.canvas.chord(fringe, 200 - self.rng.randint(0, 12), 340 + self.rng.randint(0, 12), fill=self.hair)

    def _eye(self, x: float) -> None:
        y = self.eye_y
        w = self.width * self.rng.uniform(0.19, 0.25)
        h = w * self.rng.uniform(0.5, 0.7)
        self._oval(x, y, w * 1.3, h * 1.55, _shade(self.skin, 0.9))
        self._oval(x, y, w, h, (245, 242, 238))
        self._oval(x, y, h * 0.85, h * 0.85, self.iris)
        self._oval(x, y, h * 0.4, h * 0.4, (10, 10, 10))
        brow = y - h * self.rng.uniform(2.1, 2.6)
        points = [(x - w * 1.2, brow + 4), (x, brow - 8), (x + w * 1.2, brow + 4)]
        self.canvas.line(points, fill=self.hair, width=round(self.side * 0.012))
        self.canvas.arc((x - w, y - h, x + w, y + h), 180, 360, fill=(40, 25, 20), width=round(self.side * 0.006))

    def _nose(self) -> None:
        top, half = self.eye_y + self.height * 0.05, self.width * self.rng.uniform(0.14, 0.2)
        tip = top + self.height * self.rng.uniform(0.30, 0.40)
        outline = [(self.x, top), (self.x - half, tip), (self.x + half, tip)]
        self.canvas.polygon(outline, fill=_shade(self.skin, 0.93))
        for side in (-1, 1):
            self._oval(self.x + side * half * 0.6, tip, half * 0.28, half * 0.2, _shade(self.skin, 0.72))

    def _mouth(self) -> None:
        y = self.y + self.height * self.rng.uniform(0.46, 0.54)
        half = self.width * self.rng.uniform(0.34, 0.45)
        lips = (self.rng.randint(150, 190), self.rng.randint(70, 95), self.rng.randint(70, 90))
        self._oval(self.x, y + self.height * 0.0125, half, self.height * 0.0625, lips)
        parting = [(self.x - half, y), (self.x, y + self.height * 0.02), (self.x + half, y)]
        self.canvas.line(parting, fill=_shade(lips, 0.55), width=round(self.side * 0.006))

    def _oval(self, x: float, y: float, half_width: float, half_height: float, fill: Colour) -> None:
        self.canvas.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=fill)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = colour
    return int(red * factor), int(green * factor), int(blue * factor)
