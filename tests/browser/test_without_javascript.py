"""Every page works with JavaScript off: it loads, and whatever htmx does has a form or a link that does the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from personas.entities import FaceKey
from tests.browser.pages import addresses

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Any]

#: Asked of the page's elements by the debugger, which may run scripts where the page may not.
FORMS = """() => [...document.querySelectorAll("form")].map((form) => ({
    html: form.outerHTML.slice(0, 120),
    presses: form.querySelector("button:not([type=button]), input[type=submit]") !== null,
    signed: form.method === "get" || form.querySelector("[name=csrfmiddlewaretoken]") !== null,
    sends: form.getAttribute("action"),
    asks: form.getAttribute("hx-post"),
}))"""
#: What htmx does by itself only refreshes what a reload shows too; all else needs a form or a link.
ALONE = """() => [...document.querySelectorAll("[hx-post], [hx-get]")]
    .filter((each) => !/^every |^input /.test(each.getAttribute("hx-trigger") || ""))
    .filter((each) => !(each.matches("form") || each.closest("a[href]") || each.querySelector("a[href]")))
    .map((each) => each.outerHTML.slice(0, 120))"""


def test_every_page_loads_and_all_it_offers_works_by_forms_and_links(
    open_page: OpenPage, small_world: list[FaceKey]
) -> None:
    page = open_page(javascript=False)
    n_forms = 0
    for url in addresses(small_world):
        answer = page.goto(url)
        assert answer.status == 200, url
        assert page.locator("h1").count() >= 1, url
        assert page.evaluate(ALONE) == [], url
        for form in page.evaluate(FORMS):
            n_forms += 1
            searches = "search" in form["html"]  # Return sends a form that has one field
            assert form["presses"] or searches, f"{url}: {form}"
            assert form["signed"], f"{url}: {form}"
            assert form["asks"] in (None, form["sends"]), f"{url}: {form}"
    assert n_forms > 50


def test_pictures_come_without_javascript(open_page: OpenPage, small_world: list[FaceKey]) -> None:
    page = open_page(javascript=False)
    page.goto("/personas/ada/")
    page.locator(".tile img").first.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert page.locator(".tile img").first.evaluate("image => image.naturalWidth") > 0
