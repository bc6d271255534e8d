"""Searching in a browser: by name as it is typed, and by a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from personas.entities import FaceKey
from personas.store.base import Store
from tests import factories
from tests.ingest.drawing import draw
from tests.web import add_pictures, publish

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture
def people(store: Store, settings: Any) -> list[FaceKey]:
    """Ada has a face; Adam and Grace have none. The extractor needs no weights."""
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.squares"
    keys = add_pictures(store, 2)
    factories.add_personas(store, "Ada", "Adam", "Grace")
    factories.label(store, "ada", keys[0])
    publish(store, {keys[1]: ("ada", 0.9)})
    return keys


@pytest.mark.parametrize("width", [1280, 390])
def test_arrows_and_enter_open_a_person(open_page: OpenPage, people: list[FaceKey], expect: Any, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    page.goto("/models/")
    field = page.get_by_role("combobox", name="Find a person")
    field.click()
    page.keyboard.type("ad")
    expect(page.get_by_role("option")).to_have_count(2)
    expect(field).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Adam")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Ada")


def test_escape_closes_the_list_and_enter_without_a_pick_leads_to_the_grid(
    open_page: OpenPage, people: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto("/models/")
    page.get_by_role("combobox", name="Find a person").click()
    page.keyboard.type("ad")
    expect(page.get_by_role("option")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("#matches")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("People called")


def test_without_javascript_enter_leads_to_the_grid(open_page: OpenPage, people: list[FaceKey], expect: Any) -> None:
    page = open_page(javascript=False)
    page.goto("/models/")
    page.get_by_role("combobox", name="Find a person").fill("gra")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)


@pytest.mark.parametrize("javascript", [True, False])
def test_a_picture_is_chosen_and_its_faces_are_looked_for(
    open_page: OpenPage, people: list[FaceKey], store: Store, expect: Any, tmp_path: Path, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto("/")
    page.get_by_role("link", name="Find a person by a picture").click()
    page.wait_for_load_state()  # the script that sends what is chosen is there
    page.get_by_label("Picture to look at").set_input_files(draw(tmp_path / "asked.png"))
    if not javascript:
        page.get_by_role("button", name="Who is this?").click()
    expect(page.locator(".found")).to_have_count(1)
    expect(page.locator(".found > img")).to_be_visible()
    assert store.count_images()["faces_total"] == 2


def test_a_dropped_file_that_is_no_picture_says_so(
    open_page: OpenPage, people: list[FaceKey], expect: Any, complaints: Any
) -> None:
    page = open_page()
    page.goto("/find/")
    page.evaluate(
        """() => {
            const files = new DataTransfer();
            files.items.add(new File(["no picture"], "a.png", { type: "image/png" }));
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
        }"""
    )
    expect(page.locator(".toast-failed")).to_contain_text("not a JPEG")
    complaints.found[:] = [each for each in complaints.found if "422" not in each]


def test_a_picture_that_was_refused_and_is_sent_again_is_refused_in_one_toast(
    open_page: OpenPage, people: list[FaceKey], expect: Any, complaints: Any
) -> None:
    page = open_page()
    page.goto("/find/")
    picture = {"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"}
    page.get_by_label("Picture to look at").set_input_files(picture)
    expect(page.locator(".toast-failed")).to_have_count(1)
    with page.expect_response("**/find/"):
        page.get_by_role("button", name="Who is this?").click()
    page.wait_for_function("!document.querySelector('#find button').disabled")
    expect(page.locator(".toast-failed")).to_have_count(1)
    complaints.found[:] = [each for each in complaints.found if "422" not in each]
