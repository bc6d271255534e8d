"""From a key to the next face: answering in the review queue of 100,000 faces, in a real browser.

The store is SQLite, filled with made-up people and strangers in drawn pictures; the product's own commands learn from
some labels. Then `manage.py run` is up, so that web and trainer share the machine as they do at home, and Chromium
presses keys as somebody would who is fast. The page's own clock measures from the key's event to the frame after the
one in which the next face, its picture loaded, was drawn. Every answer is recorded meanwhile, and sets the trainer off.
"""

from __future__ import annotations

import hashlib
import os
import random
import statistics
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from benchmarks.browser import browser_page, find_browser
from benchmarks.drawn_faces import draw_face
from benchmarks.installation import CommandFailedError, Installation
from benchmarks.report import Goal, Row
from benchmarks.settings import REPOSITORY, Bench

#: Pictures of two faces side by side; few are drawn, the rest are links to them.
SIDE, DRAWN = 420, 16
PEOPLE, LABELS_A_PERSON = 100, 4
IMAGES_A_BATCH = 500
#: Cosine between a face and its person's direction, from hard to sharp portraits.
COSINES = (0.45, 0.8)
EMBEDDER = DETECTOR = "made up"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: Milliseconds between a face and the next key: two faces a second.
PAUSE_MS = 400
#: Yes, no, stranger, a candidate: what does not apply to a face is nothing but a key.
KEYS = ("y", "n", "t", "y", "1")
#: Times, in the page, each key that an answer follows.
WATCH = """() => {
  window.keyToFace = [];
  const shown = () => document.querySelector('.question:not([hidden])');
  addEventListener('keydown', (event) => {
    const before = shown();
    const look = () => requestAnimationFrame(() => {
      const now = shown();
      const face = now && now.querySelector('.look-face');
      if (!face || now === before || !face.complete || !face.naturalWidth) return look();
      return requestAnimationFrame((frame) => window.keyToFace.push(frame - event.timeStamp));
    });
    look();
  }, true);
}"""


def measure(bench: Bench) -> Iterable[Row]:
    browser = find_browser()
    n_faces, n_keys = (10_000, 30) if bench.quick else (100_000, 100)
    installation = Installation.create(bench.scratch / "home")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.key_to_face", str(n_faces)],
        cwd=REPOSITORY, env=installation.environ(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise CommandFailedError(done.stderr[-2000:])
    installation.manage("train")
    with installation.running() as running, browser_page(browser) as page:
        page.goto(running.sign_in_link)
        page.goto(f"{running.base_url}/review/")
        page.wait_for_function("() => document.querySelectorAll('.question').length > 3")
        milliseconds = _press(page, n_keys)
    worst = sorted(milliseconds)
    yield Row(
        what=f"key to the next face painted, 95th percentile, {n_faces:,} faces",
        figure=worst[int(0.95 * (len(worst) - 1))],
        unit="ms",
        goal=Goal(at_most=100),
        beside=f"{len(worst)} keys; median {statistics.median(worst):.0f} ms, worst {worst[-1]:.0f} ms",
    )


def _press(page: Any, n_keys: int) -> list[float]:
    """Answer so many questions; milliseconds of each."""
    page.evaluate(WATCH)
    for number in range(n_keys):
        page.wait_for_timeout(PAUSE_MS)
        key = KEYS[number % len(KEYS)]
        applies = page.locator(f".question:not([hidden]) [data-key='{key}']").count()
        page.keyboard.press(key if applies else "t")
        page.wait_for_function("n => window.keyToFace.length > n", arg=number)
    times: list[float] = page.evaluate("window.keyToFace")
    return times


# ---- in a process of its own: filling the store ----------------------------------------------------------------------


def main(n_faces: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings")
    import django

    django.setup()
    from personas.store import get_store

    store = get_store()
    pictures = _draw()
    vectors, people = _embeddings(n_faces)
    images = [_extracted(number, vectors[2 * number : 2 * number + 2]) for number in range(n_faces // 2)]
    for start in range(0, len(images), IMAGES_A_BATCH):
        batch = images[start : start + IMAGES_A_BATCH]
        for number, item in enumerate(batch):
            _link(pictures[number % DRAWN], item.image.image_id)
        store.save_extracted(batch, actor="bench", at=NOW, command_id=str(uuid.uuid4()))
    _label(store, images, people)


def _draw() -> list[Path]:
    from personas.crops import originals

    folder = originals().folder
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for number in range(DRAWN):
        picture = Pillow.new("RGB", (2 * SIDE, SIDE))
        for place in range(2):
            picture.paste(draw_face(random.Random(2 * number + place), size=SIDE), (place * SIDE, 0))
        drawn.append(folder / f"drawn-{number}.jpg")
        picture.save(drawn[-1], quality=88)
    return drawn


def _link(drawn: Path, image_id: str) -> None:
    from personas.crops import originals

    path = originals().path(image_id)
    path.parent.mkdir(exist_ok=True)
    path.hardlink_to(drawn)


def _embeddings(n_faces: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """(n_faces, 128) unit rows, and the person of each, -1 for a stranger: every second face is one."""
    rng = np.random.default_rng(0)
    people = np.where(np.arange(n_faces) % 2 == 0, rng.integers(0, PEOPLE, n_faces), -1)
    directions, others = _unit(rng, PEOPLE), _unit(rng, n_faces)
    cosine = np.where(people >= 0, rng.uniform(*COSINES, n_faces), 0)[:, None]
    rows = cosine * directions[people] + np.sqrt(1 - cosine**2) * others
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32), people


def _unit(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    rows = rng.standard_normal((n, 128))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _extracted(number: int, vectors: npt.NDArray[np.float32]) -> Any:
    from personas.entities import Box, ExtractedImage, Image, ImagePath, ImageStatus, NewFace

    image_id = hashlib.sha256(str(number).encode()).hexdigest()
    image = Image(
        image_id=image_id, width=2 * SIDE, height=SIDE, format="JPEG", n_bytes=40_000, status=ImageStatus.FACES,
        n_faces=len(vectors), detector=DETECTOR, ingested_at=NOW,
    )  # fmt: skip
    points = ((0.4, 0.45), (0.6, 0.45), (0.5, 0.55), (0.43, 0.65), (0.57, 0.65))
    faces = tuple(
        NewFace(
            box=Box(SIDE * (place + 0.28), SIDE * 0.2, SIDE * 0.44, SIDE * 0.56),
            landmarks=tuple((SIDE * (place + x), SIDE * y) for x, y in points),
            score=0.9,
            quality=0.8,
            embedding=vector,
        )
        for place, vector in enumerate(vectors)
    )
    path = ImagePath(source="/bench", path=f"{number:07d}.jpg", image_id=image_id, size=40_000, mtime_ns=number)
    return ExtractedImage(image=image, embedder=EMBEDDER, faces=faces, paths=(path,))


def _label(store: Any, images: Sequence[Any], people: npt.NDArray[np.int64]) -> None:
    """The first faces of each person."""
    from personas.services.personas import add_persona

    for person, faces in _first_faces(images, people):
        name, command_id = f"Person {person:03}", str(uuid.uuid4())
        add_persona(store=store, name=name, faces=faces, actor="bench", at=NOW, command_id=command_id)


def _first_faces(images: Sequence[Any], people: npt.NDArray[np.int64]) -> Iterator[tuple[int, list[Any]]]:
    from personas.entities import FaceKey

    for person in range(PEOPLE):
        rows = np.flatnonzero(people == person)[:LABELS_A_PERSON].tolist()
        yield person, [FaceKey(images[row // 2].image.image_id, row % 2) for row in rows]


if __name__ == "__main__":
    main(int(sys.argv[1]))
