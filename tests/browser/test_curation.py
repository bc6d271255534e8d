"""What becomes of personas and pictures in a browser: merged, hidden, deleted, and all of it undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from personas.entities import FaceKey
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]
BOTH = pytest.mark.parametrize("javascript", [True, False])


@pytest.fixture
def twice(store: Store) -> list[FaceKey]:
    """Ada has two labelled faces; Addie, who is the same, has one."""
    keys = add_pictures(store, 3)
    factories.add_personas(store, "Ada", "Addie")
    factories.label(store, "ada", *keys[:2])
    factories.label(store, "addie", keys[2])
    return keys


def open_menu(page: Any, name: str) -> Any:
    """What else can be done with somebody whose page is open."""
    page.get_by_label(f"More for {name}").click()
    return page.locator(".persona-head")


def undo(page: Any) -> None:
    page.locator(".toast").get_by_role("button", name="Undo").click()


# ---- merging ---------------------------------------------------------------------------------------------------------
@BOTH
def test_two_personas_are_merged_and_parted_again(
    open_page: OpenPage, twice: list[FaceKey], store: Store, expect: Any, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto("/personas/addie/")
    menu = open_menu(page, "Addie")
    field = menu.get_by_label("Merge Addie into")
    if javascript:
        field.press_sequentially("ad")
        expect(page.locator('#persona-names option[value="Ada"]')).to_have_count(1)
    field.fill("Ada")
    menu.get_by_role("button", name="Merge").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada")
    expect(page.locator(".toast")).to_contain_text("Merged into Ada.")
    expect(page.locator("#tabs")).to_contain_text("Labelled 3")
    assert {label.key for label in store.labels_of_persona("ada", belongs=True).items} == set(twice)
    undo(page)
    expect(page.locator(".toast")).to_contain_text("Undone.")
    expect(page.locator("#tabs")).to_contain_text("Labelled 2")
    page.goto("/")
    expect(page.locator(".card")).to_have_count(2)
    page.locator(".card").filter(has_text="Addie").get_by_role("link").first.click()
    expect(page.locator("#tabs")).to_contain_text("Labelled 1")


def test_a_merge_into_a_name_that_nobody_has_changes_nothing(
    open_page: OpenPage, twice: list[FaceKey], store: Store, expect: Any, complaints: Any
) -> None:
    page = open_page()
    page.goto("/personas/addie/")
    menu = open_menu(page, "Addie")
    menu.get_by_label("Merge Addie into").fill("Nobody At All")
    menu.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("Nobody At All")).to_be_visible()
    assert store.label_counts(["ada", "addie"]) == {"ada": (2, 0), "addie": (1, 0)}
    complaints.found = [said for said in complaints.found if "404" not in said]  # browsers log failed answers


# ---- hiding and deleting ---------------------------------------------------------------------------------------------
@BOTH
def test_somebody_is_hidden_from_the_people_and_shown_again(
    open_page: OpenPage, twice: list[FaceKey], expect: Any, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto("/personas/ada/")
    open_menu(page, "Ada").get_by_role("button", name="Hide from people").click()
    expect(page.locator(".toast")).to_contain_text("Hidden from the grid of people.")
    page.goto("/")
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_role("link", name="1 hidden").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hidden people")
    page.locator(".card").filter(has_text="Ada").get_by_role("link").first.click()
    open_menu(page, "Ada").get_by_role("button", name="Show among people").click()
    page.goto("/")
    expect(page.locator(".card")).to_have_count(2)


def test_hiding_is_undone_by_its_toast(open_page: OpenPage, twice: list[FaceKey], store: Store, expect: Any) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    open_menu(page, "Ada").get_by_role("button", name="Hide from people").click()
    expect(page.locator(".toast")).to_be_visible()
    assert store.personas_by_id(["ada"])["ada"].hidden
    with page.expect_response("**/personas/ada/"):  # the page looks again
        undo(page)
    expect(page.locator(".toast")).to_contain_text("Undone.")
    assert not store.personas_by_id(["ada"])["ada"].hidden
    expect(open_menu(page, "Ada").get_by_role("button", name="Hide from people")).to_be_visible()


@BOTH
def test_somebody_is_deleted_and_comes_back_with_every_label(
    open_page: OpenPage, twice: list[FaceKey], store: Store, expect: Any, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto("/personas/ada/")
    open_menu(page, "Ada").get_by_role("button", name="Delete; faces become unlabelled").click()
    expect(page.locator(".toast")).to_contain_text("Deleted. 2 faces are unlabelled again.")
    expect(page.locator(".card")).to_have_count(1)
    assert store.personas_by_id(["ada"]) == {}
    undo(page)
    expect(page.locator(".toast")).to_contain_text("Undone.")
    page.goto("/personas/ada/")
    expect(page.locator("#tabs")).to_contain_text("Labelled 2")
    expect(page.locator(".tile")).to_have_count(2)


def test_one_face_that_is_freed_is_told_as_one(open_page: OpenPage, twice: list[FaceKey], expect: Any) -> None:
    page = open_page()
    page.goto("/personas/addie/")
    open_menu(page, "Addie").get_by_role("button", name="Delete; faces become unlabelled").click()
    expect(page.locator(".toast")).to_contain_text("Deleted. 1 face is unlabelled again.")


# ---- pictures --------------------------------------------------------------------------------------------------------
@BOTH
def test_a_picture_is_deleted_and_its_toast_brings_it_back(
    open_page: OpenPage, twice: list[FaceKey], store: Store, expect: Any, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto(f"/images/{twice[0].image_id}/")
    page.locator("figcaption").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("Picture deleted.")
    expect(page.locator(".thumbnail")).to_have_count(2)
    assert store.label_counts(["ada"])["ada"] == (1, 0)
    undo(page)
    expect(page.locator(".toast")).to_contain_text("Undone.")
    page.goto(f"/images/{twice[0].image_id}/")
    expect(page.locator(".face-name")).to_contain_text("Ada")
    assert store.label_counts(["ada"])["ada"] == (2, 0)
