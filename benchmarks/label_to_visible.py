"""From a click to the screen: naming one face in a real browser, until the first predicted face of that persona shows.

One president is withheld: in a copy of data/presidents his sidecars say `labeled: false`, so the product knows his
pictures, not his name. With `manage.py run` up, Chromium signs in by the printed link, opens one of his pictures, names
his face, follows the name to his page and waits there, as a person would. Seconds are from the click on "Name" until a
predicted face is drawn inside the window. Then the whole page is scrolled through: how many of his other
*presidential* pictures are predicted, on screen.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.browser import browser_page, find_browser
from benchmarks.installation import Installation, Running
from benchmarks.report import Goal, Row
from benchmarks.settings import Bench, SeedPicture, seed_pictures

TILES = "li.tile-predicted"
DRAWN = f"""() => {{
  const crop = document.querySelector('{TILES} img');
  return crop && crop.complete && crop.naturalWidth > 0 && crop.getBoundingClientRect().top < innerHeight;
}}"""
#: Number of the face whose box is nearest the middle of the picture: the one a sidecar speaks of.
MAIN_FACE = """() => {
  const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
  const [x, y] = middle(document.getElementById('boxes').getBoundingClientRect());
  let best = null;
  for (const mark of document.querySelectorAll('#boxes a[data-face]')) {
    const [a, b] = middle(mark.querySelector('rect').getBoundingClientRect());
    const distance = Math.hypot(a - x, b - y);
    if (!best || distance < best[0]) best = [distance, mark.dataset.face];
  }
  return best[1];
}"""


def measure(bench: Bench) -> Iterable[Row]:
    browser = find_browser()
    folder = bench.data("presidents")
    presidents = sorted({picture.persona for picture in seed_pictures(folder) if picture.persona})
    seconds, shares, wrong = [], [], 0
    for number, president in enumerate(presidents[:1] if bench.quick else presidents):
        data = withhold(folder, bench.scratch / f"data-{number}", president)
        installation = Installation.create(bench.scratch / f"home-{number}")
        installation.manage("ingest", str(data), exit_codes=(0, 3))
        installation.manage("train")
        pictures = [p for p in seed_pictures(data) if p.persona == president and p.category == "presidential"]
        random.Random(number).shuffle(pictures)
        with installation.running() as running, browser_page(browser) as page:
            elapsed, shown = _name_and_watch(page, running, pictures, president)
        seconds.append(elapsed)
        shares.append(100 * len(shown & _ids(pictures[1:])) / (len(pictures) - 1))
        everybody = _ids([p for p in seed_pictures(data) if p.persona == president])
        wrong += len(shown - everybody)
    runs = ", ".join(f"{each:.2f}" for each in seconds)
    yield Row(
        what="click on Name to the first predicted face on screen",
        figure=statistics.median(seconds),
        unit="s",
        goal=Goal(at_most=2),
        beside=f"median of {len(seconds)} ({runs})",
    )
    yield Row(
        what="his other presidential pictures predicted after one label, worst",
        figure=min(shares),
        unit="%",
        goal=Goal(at_least=90),
        beside=", ".join(f"{each:.1f}" for each in shares),
    )
    yield Row(what="other people's faces on those pages", figure=wrong, unit="faces")


def withhold(folder: Path, copy: Path, persona: str) -> Path:
    """A copy of the data without labels of this persona: what they said is ground truth there."""
    shutil.copytree(folder, copy)
    for picture in seed_pictures(copy):
        if picture.persona == persona and picture.labeled:
            path = picture.path.with_suffix(".json")
            path.write_text(json.dumps({**json.loads(path.read_text()), "labeled": False}))
    return copy


def _ids(pictures: Sequence[SeedPicture]) -> set[str]:
    return {hashlib.sha256(picture.path.read_bytes()).hexdigest() for picture in pictures}


def _name_and_watch(page: Any, running: Running, pictures: list[SeedPicture], persona: str) -> tuple[float, set[str]]:
    """Name the face in the first picture. Seconds from the click; ids of the pictures predicted on his page at rest."""
    (image_id,) = _ids(pictures[:1])
    page.goto(running.sign_in_link)
    page.goto(f"{running.base_url}/images/{image_id}/")
    face = page.locator(f"#face-{page.evaluate(MAIN_FACE)}")
    face.locator("form.naming input[name=name]").fill(persona)
    started = time.perf_counter()
    face.locator("form.naming button[type=submit]").click()
    link = face.locator(".face-name a[href*='/personas/']")
    link.wait_for()
    page.goto(running.base_url + link.get_attribute("href").split("?")[0])
    page.locator(f"{TILES} img").first.wait_for()
    page.wait_for_function(DRAWN)
    elapsed = time.perf_counter() - started
    page.locator("#learning:not([data-busy])").wait_for()
    return elapsed, _predicted(page)


def _predicted(page: Any) -> set[str]:
    """Picture ids of every predicted tile, by scrolling until there are no more."""
    while page.locator("#more-faces").count():
        before = page.locator(TILES).count()
        page.locator("#more-faces").scroll_into_view_if_needed()
        page.wait_for_function(
            f"n => document.querySelectorAll('{TILES}').length > n || !document.getElementById('more-faces')",
            arg=before,
        )
    links = page.locator(f"{TILES} a.crop").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    return {link.split("/images/")[1].split("/")[0] for link in links}
