"""A headless Chromium to measure with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import SkippedError

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
#: How long the page may take to show anything.
WAIT_MS = 60_000


def find_browser() -> str:
    """Its executable. Raises SkippedError."""
    found = next((path for path in CHROMIUM if Path(path).exists()), None)
    if found is None:
        raise SkippedError("there is no Chromium on this machine; on Debian: apt install chromium")
    return found


@contextmanager
def browser_page(browser: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        try:
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(WAIT_MS)
            yield page
        finally:
            chromium.close()
