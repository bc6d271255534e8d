"""A persona's page in a browser: the menu of a face, why, and the links of order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from personas.entities import FaceKey, Verdict
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, publish

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture
def ada(store: Store) -> list[FaceKey]:
    """Ada has two labelled faces and three predicted ones."""
    keys = add_pictures(store, 5)
    factories.add_personas(store, "Ada")
    factories.label(store, "ada", *keys[:2])
    publish(store, {key: ("ada", 0.9 - number / 10) for number, key in enumerate(keys[2:])})
    return keys


def test_the_menu_of_a_face_says_why_and_sets_it_aside(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    tile = page.locator(".tile").first
    tile.hover()
    tile.get_by_label("More for this face").click()
    expect(tile.locator(".nearest li")).to_have_count(2)
    tile.get_by_role("button", name="Ignore").click()
    expect(page.locator(".tile")).to_have_count(2)
    assert store.label_counts(["ignored"])["ignored"] == (1, 0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tile")).to_have_count(3)


def test_what_came_while_a_menu_was_open_shows_when_it_is_closed(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    tile = page.locator(".tile").first
    tile.hover()
    menu = tile.get_by_label("More for this face")
    menu.click()
    expect(tile.locator(".nearest li")).to_have_count(2)
    publish(store, dict.fromkeys(ada[2:], ("ada", 0.55)))
    expect(page.locator("#learning")).to_contain_text("Version 2")
    expect(tile).not_to_contain_text("55 %")  # nothing moves under somebody who reads
    menu.click()
    expect(tile).to_contain_text("55 %")


def test_a_cover_is_chosen_from_the_keyboard(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/?show=labelled&sort=any")
    page.locator(".tile-menu summary").last.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This face is the cover now.")).to_be_visible()
    assert store.personas_by_id(["ada"])["ada"].cover == ada[1]


def test_tabs_show_what_was_said_and_labels_are_sorted(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    late = factories.labelled("ada", [ada[2]], when=factories.at(60))
    store.record("labels", [late, factories.labelled("ada", [ada[3]], Verdict.REJECTED, index=1)])
    page = open_page()
    page.goto("/personas/ada/")
    tabs = page.get_by_role("navigation", name="Faces of Ada")
    tabs.get_by_role("link", name="Rejected 1").click()
    expect(page.locator(".tile")).to_have_count(1)
    page.get_by_role("button", name="This is Ada after all").click()
    expect(tabs).to_contain_text("Rejected 0")
    store.record("labels", [factories.labelled("ada", [ada[3]], Verdict.CLEARED)])
    tabs.get_by_role("link", name="Labelled").click()
    expect(page.locator(".tile")).to_have_count(3)
    order = page.get_by_role("navigation", name="Order")
    expect(order.get_by_role("link", name="Newest label")).to_have_attribute("aria-current", "true")
    expect(page.locator(".tile").first.locator(".crop")).to_have_attribute("href", re.compile(ada[2].image_id))
    order.get_by_role("link", name="Unsorted").click()
    page.wait_for_url("**sort=any")
    expect(order.get_by_role("link", name="Unsorted")).to_have_attribute("aria-current", "true")
    shown = [link.get_attribute("href") for link in page.locator(".tile .crop").all()]
    assert [link.split("/")[2] for link in shown] == sorted(key.image_id for key in ada[:3])


@pytest.mark.parametrize("javascript", [True, False])
def test_tabs_choices_and_reasons_are_links(
    open_page: OpenPage, ada: list[FaceKey], expect: Any, javascript: bool
) -> None:
    page = open_page(javascript=javascript, viewport={"width": 390, "height": 844})
    page.goto("/personas/ada/")
    page.get_by_role("link", name="80 %", exact=True).click()
    expect(page.locator(".tile")).to_have_count(2)
    page.get_by_role("link", name="Pictures").first.click()
    expect(page.locator(".thumbnail")).to_have_count(5)
    page.goto(f"/images/{ada[2].image_id}/")
    page.get_by_text("Why Ada?").click()
    if not javascript:
        page.get_by_role("link", name="The faces it resembles").click()
        expect(page.locator("h1")).to_have_text("Why Ada?")
    expect(page.locator(".nearest li")).to_have_count(2)
    if javascript:
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
