"""The toast of each kind of answer takes it back, on the page where it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from personas.entities import NOT_A_FACE, FaceKey
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, publish

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture
def ada(store: Store) -> list[FaceKey]:
    """Ada has one labelled face and three predicted ones; Bob has none."""
    keys = add_pictures(store, 4)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, "ada", keys[0])
    publish(store, {key: ("ada", 0.9 - number / 10) for number, key in enumerate(keys[1:])})
    return keys


@pytest.fixture
def page(open_page: OpenPage, ada: list[FaceKey], expect: Any) -> Any:
    opened = open_page()
    opened.goto("/personas/ada/")
    expect(opened.locator(".tile")).to_have_count(3)
    return opened


def undo(page: Any, expect: Any) -> None:
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Undone.")


def test_a_rejection_is_taken_back(page: Any, store: Store, expect: Any) -> None:
    page.locator(".tile .no").first.click()
    expect(page.locator(".tile")).to_have_count(2)
    expect(page.locator(".toast")).to_contain_text("Not Ada")
    assert store.label_counts(["ada"])["ada"] == (1, 1)
    undo(page, expect)
    expect(page.locator(".tile")).to_have_count(3)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_what_was_undone_is_done_again(page: Any, store: Store, expect: Any) -> None:
    page.locator(".tile .no").first.click()
    expect(page.locator(".tile")).to_have_count(2)
    undo(page, expect)
    expect(page.locator(".tile")).to_have_count(3)
    page.locator(".toast").get_by_role("button", name="Redo").click()
    expect(page.locator(".tile")).to_have_count(2)
    assert store.label_counts(["ada"])["ada"] == (1, 1)


def test_faces_that_were_moved_go_back(page: Any, store: Store, expect: Any) -> None:
    for box in page.locator(".pick input").all()[:2]:
        box.check()
    page.get_by_label("Who the selected faces are instead").fill("Bob")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("2 faces: This is Bob")
    expect(page.locator(".tile")).to_have_count(1)
    assert store.label_counts(["bob"])["bob"] == (2, 0)
    undo(page, expect)
    expect(page.locator(".tile")).to_have_count(3)
    assert store.label_counts(["bob"])["bob"] == (0, 0)


def test_several_that_were_rejected_together_come_back_together(page: Any, store: Store, expect: Any) -> None:
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Not Ada", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("3 faces: Not Ada")
    assert store.label_counts(["ada"])["ada"] == (1, 3)
    undo(page, expect)
    page.goto("/personas/ada/?show=predicted")
    expect(page.locator(".tile")).to_have_count(3)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_a_new_name_is_taken_back(page: Any, store: Store, expect: Any) -> None:
    page.get_by_label("Rename Ada").click()
    page.get_by_label("New name").fill("Ada Lovelace")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada Lovelace")
    expect(page.locator(".toast")).to_contain_text("Renamed Ada to Ada Lovelace.")
    undo(page, expect)
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada")
    assert store.personas_by_id(["ada"])["ada"].name == "Ada"


def test_what_was_said_to_be_no_face_is_one_again(page: Any, store: Store, expect: Any) -> None:
    tile = page.locator(".tile").first
    tile.hover()
    tile.get_by_label("More for this face").click()
    tile.get_by_role("button", name="Not a face").click()
    expect(page.locator(".tile")).to_have_count(2)
    assert store.label_counts([NOT_A_FACE])[NOT_A_FACE] == (1, 0)
    undo(page, expect)
    expect(page.locator(".tile")).to_have_count(3)
    assert store.label_counts([NOT_A_FACE])[NOT_A_FACE] == (0, 0)
