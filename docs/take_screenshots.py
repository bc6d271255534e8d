"""Take the screenshots of the documentation from the sample data: `python docs/take_screenshots.py`.

Needs Chromium (CHROMIUM names the executable, default /usr/bin/chromium) and requirements-dev.txt. State lies in a
temporary folder. Nothing but the sample data is ever shown.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

REPO = Path(__file__).resolve().parents[1]
SHOTS = REPO / "docs" / "screenshots"
PORT = int(os.environ.get("PORT", "8765"))
BASE = f"http://127.0.0.1:{PORT}"
SCREENS = {
    "": {"viewport": {"width": 1200, "height": 760}},
    "-dark": {"viewport": {"width": 1200, "height": 760}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2},
}


def teach(page: Page) -> None:
    """Name the first unknown face, with covered eyes, so that there is a second version and a history."""
    page.goto(f"{BASE}/unknown/")
    face = page.locator('section[aria-labelledby="singles-title"] li.tile').first.get_attribute("id")
    tile = page.locator(f"#{face}")
    tile.get_by_placeholder("Who is this?").fill("Eileen Collins")
    tile.get_by_role("button", name="Give this name").click()
    tile.wait_for(state="detached")
    for _ in range(60):
        page.goto(f"{BASE}/models/")
        if page.locator('main a[href="/models/2/"]').count():
            return
        page.wait_for_timeout(1000)
    raise SystemExit("No second version was trained within a minute.")


def delete_one(page: Page) -> None:
    """The last picture of the list, so that the page of deleted pictures shows one."""
    page.goto(f"{BASE}/images/")
    page.locator('main a[href^="/images/"]:not([href*="deleted"])').last.click()
    page.locator("figcaption").get_by_role("button", name="Delete").click()
    page.locator(".toast").first.wait_for()


def addresses(page: Page) -> dict[str, str]:
    page.goto(f"{BASE}/")
    persona = str(page.locator('a[href^="/personas/"]', has_text="Grace Hopper").first.get_attribute("href"))
    page.goto(f"{BASE}{persona}?show=labelled")
    image = str(page.locator('main a[href^="/images/"]').first.get_attribute("href"))
    return {
        "people": "/",
        "persona": persona,
        "review": "/review/",
        "image": image,
        "unknown": "/unknown/",
        "pictures": "/images/",
        "deleted": "/images/deleted/",
        "find": "/find/",
        "upload": "/upload/",
        "jobs": "/jobs/",
        "models": "/models/",
        "version": "/models/1/",
        "compare": "/models/compare/?a=1&b=2",
        "history": "/history/",
        "status": "/status/",
        "tokens": "/account/tokens/",
        "api": "/api/v1/docs",
        "admin": "/admin/personas/face/",
    }


def shoot(browser: Browser, link: str) -> None:
    first = browser.new_context()
    page = first.new_page()
    page.goto(link)
    teach(page)
    pages = addresses(page)
    delete_one(page)
    cookies = first.cookies()
    for suffix, screen in SCREENS.items():
        context = browser.new_context(**screen)
        context.add_cookies(cookies)
        page = context.new_page()
        for name, path in pages.items():
            page.goto(BASE + str(path), wait_until="domcontentloaded")
            page.wait_for_selector("main")
            page.wait_for_timeout(800)
            page.screenshot(path=SHOTS / f"{name}{suffix}.jpg", type="jpeg", quality=82)
        context.close()


def main() -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "FACEPROJECT_HOME": home}
        command = [sys.executable, "manage.py", "demo", "--port", str(PORT)]
        demo = subprocess.Popen(command, cwd=REPO, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert demo.stdout is not None
            link = next(found.group(0) for line in demo.stdout if (found := re.search(r"http\S+/sign-in/\S+", line)))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
                    args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
                )
                shoot(browser, link)
                browser.close()
        finally:
            demo.terminate()
            demo.wait()


if __name__ == "__main__":
    main()
