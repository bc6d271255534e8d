"""Unknown people in a real browser: groups are named and set aside, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from personas.entities import IGNORED, NOT_A_FACE, FaceKey
from personas.store.base import Store
from tests import factories
from tests.groups import put_groups
from tests.web import add_pictures

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]
#: A page asks every few seconds whether there are new groups.
POLLED_MS = 20_000


@pytest.fixture
def faces(store: Store, settings: Any, tmp_path: Path) -> list[FaceKey]:
    """Eleven faces that nobody knows: a group of five, one of three, three single ones."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    keys = add_pictures(store, 11)
    factories.add_personas(store, "Ada Lovelace")
    put_groups(store, a=keys[:5], b=keys[5:8])
    return keys


def labelled(store: Store, persona_id: str) -> set[FaceKey]:
    return {label.key for label in store.labels_of_persona(persona_id, belongs=True).items}


def test_a_group_is_named_where_it_stands_and_the_name_is_suggested(
    open_page: OpenPage, store: Store, faces: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto("/unknown/")
    field = page.get_by_label("Name of these 5 faces")
    field.press_sequentially("ada")
    expect(page.locator("#persona-names option")).to_have_attribute("value", "Ada Lovelace")
    field.fill("Ada Lovelace")
    field.press("Enter")
    expect(page.locator(".toast")).to_contain_text("5 faces: This is Ada Lovelace.")
    expect(page.locator(".group")).to_have_count(1)
    assert labelled(store, "ada lovelace") == set(faces[:5])


def test_an_ignored_group_comes_back_by_undo(
    open_page: OpenPage, store: Store, faces: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto("/unknown/")
    page.locator("#group-" + "b" * 16).get_by_role("button", name="Ignore").click()
    expect(page.locator(".group")).to_have_count(1)
    assert labelled(store, IGNORED) == set(faces[5:8])
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".group")).to_have_count(2)
    assert labelled(store, IGNORED) == set()


def test_faces_are_left_out_of_a_group_before_it_is_named(
    open_page: OpenPage, store: Store, faces: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto("/unknown/")
    page.get_by_role("link", name="5 faces of one unknown person: look at all").click()
    tiles = page.locator(".group-face")
    expect(tiles).to_have_count(5)
    tiles.nth(1).get_by_label("Leave out").check()
    tiles.nth(4).get_by_role("button", name="Not a face").click()
    expect(tiles).to_have_count(4)
    page.get_by_label("Name of these faces").fill("Grace")
    page.get_by_role("button", name="Name them").click()
    expect(page.locator(".toast").last).to_contain_text("3 faces: This is Grace.")
    assert page.url.endswith("/unknown/")
    (grace,) = store.personas_named("Grace")
    assert labelled(store, grace.persona_id) == {faces[0], faces[2], faces[3]}
    assert labelled(store, NOT_A_FACE) == {faces[4]}
    expect(page.locator("#group-" + "a" * 16)).to_contain_text("1 face")


def test_groups_are_named_and_set_aside_without_javascript(
    open_page: OpenPage, store: Store, faces: list[FaceKey], expect: Any
) -> None:
    page = open_page(javascript=False)
    page.goto("/unknown/")
    page.get_by_label("Name of these 5 faces").fill("Grace")
    page.get_by_role("button", name="Give this name to all 5").click()
    expect(page.locator(".toast")).to_contain_text("5 faces: This is Grace.")
    page.get_by_role("link", name=re.compile("3 faces of one")).click()
    page.get_by_role("button", name="These are strangers").click()
    expect(page.locator(".toast")).to_contain_text("3 faces: Marked as a stranger.")
    expect(page.locator(".group")).to_have_count(0)
    page.goto("/strangers/")
    page.get_by_role("button", name="Not a stranger").first.click()
    expect(page.locator(".tile")).to_have_count(2)


def test_the_page_shows_new_groups_by_itself(
    open_page: OpenPage, store: Store, faces: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto("/unknown/")
    expect(page.locator(".group")).to_have_count(2)
    put_groups(store, a=faces[:5], b=faces[5:8], c=faces[8:])
    expect(page.locator(".group")).to_have_count(3, timeout=POLLED_MS)
    expect(page.locator("#grouping")).to_contain_text("3 groups")


def test_a_name_being_typed_is_not_lost_to_new_groups(
    open_page: OpenPage, store: Store, faces: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto("/unknown/")
    page.get_by_label("Name of these 5 faces").fill("Gra")
    put_groups(store, a=faces[:5], b=faces[5:8], c=faces[8:])
    expect(page.locator("#grouping")).to_contain_text("3 groups", timeout=POLLED_MS)
    expect(page.get_by_label("Name of these 5 faces")).to_have_value("Gra")
    expect(page.locator(".group")).to_have_count(2)


@pytest.mark.parametrize(
    "address", ["/unknown/", "/unknown/groups/", "/unknown/aaaaaaaaaaaaaaaa/", "/ignored/", "/not-faces/"]
)
def test_no_page_of_unknown_people_is_wider_than_a_phone(
    open_page: OpenPage, store: Store, faces: list[FaceKey], address: str
) -> None:
    factories.label(store, IGNORED, faces[8])
    page = open_page(viewport={"width": 360, "height": 740})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
