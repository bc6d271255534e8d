"""Every page, light and dark, by axe-core: no serious and no critical fault (https://www.deque.com/axe/core-documentation).

axe comes with a package and is handed to the page by the browser's debugger: nothing is fetched, no policy is relaxed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from personas.entities import FaceKey
from personas.store.base import Store
from tests.browser.pages import addresses

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Any]
SCHEMES = ("light", "dark")
GRAVE = ("serious", "critical")


def faults_of(page: Any) -> list[str]:
    """What axe finds grave about the page as it is now."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    # preload: axe would fetch the style sheets once more, past the page's policy, to look into them.
    found = axe.Axe().run(page, options={"preload": False}).response["violations"]
    return [
        f"{fault['impact']} {fault['id']}: {node['html'][:160]} | {' '.join(node['failureSummary'].split())[:240]}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"][:3]
    ]


def walk(page: Any, urls: Iterable[str]) -> str:
    """The faults of these pages, a line each; "" when there are none."""
    lines = []
    for url in urls:
        page.goto(url)
        lines += [f"{url} {fault}" for fault in faults_of(page)]
    return "\n".join(lines)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_has_a_grave_fault(open_page: OpenPage, small_world: list[FaceKey], scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    assert walk(page, addresses(small_world)) == ""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_neither_has_the_first_page_of_an_empty_installation_nor_the_sign_in(
    open_page: OpenPage, store: Store, scheme: str
) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    assert walk(page, ["/", "/unknown/", "/images/", "/jobs/", "/models/", "/status/"]) == ""
    page.context.clear_cookies()
    assert walk(page, ["/sign-in/"]) == ""


@pytest.mark.parametrize("scheme", SCHEMES)
def test_neither_have_menus_that_are_open(open_page: OpenPage, small_world: list[FaceKey], scheme: str) -> None:
    page = open_page(color_scheme=scheme, reduced_motion="reduce", viewport={"width": 390, "height": 844})
    page.goto("/")
    page.get_by_text("Add a person").click()
    assert faults_of(page) == []
    page.goto("/")
    page.get_by_label("Account of owner").click()
    assert faults_of(page) == []


def test_a_fault_would_be_found(open_page: OpenPage, store: Store) -> None:
    page = open_page()
    page.goto("/")
    page.evaluate("document.getElementById('main').append(document.createElement('button'))")
    assert any("button-name" in fault for fault in faults_of(page))
