"""A picture's page in a browser: looking closely, and drawing a face that was missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from personas.entities import HUMAN, Box, FaceKey
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, publish

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture
def picture(store: Store, settings: Any) -> FaceKey:
    """One face, which is predicted to be Ada's; the extractor needs no weights."""
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.squares"
    (key,) = add_pictures(store, 1)
    factories.add_personas(store, "Ada")
    publish(store, {key: ("ada", 0.9)})
    return key


def zoom(page: Any) -> float:
    return float(page.evaluate("document.getElementById('canvas').viewBox.baseVal.width"))


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From one point of the picture to another, in shares of its sides."""
    box = page.locator("#canvas image").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=4)
    page.mouse.up()


def test_keys_wheel_and_buttons_zoom_and_a_drag_moves_the_picture(
    open_page: OpenPage, picture: FaceKey, expect: Any
) -> None:
    page = open_page()
    page.goto(f"/images/{picture.image_id}/")
    assert zoom(page) == 1000
    page.keyboard.press("+")
    assert zoom(page) < 800
    expect(page.get_by_role("button", name="Show the whole picture")).to_have_text("140 %")
    page.get_by_role("button", name="Zoom in").click()
    page.locator("#canvas").hover()
    page.mouse.wheel(0, -200)
    page.wait_for_function("document.getElementById('canvas').viewBox.baseVal.width < 480")
    before = page.evaluate("document.getElementById('canvas').viewBox.baseVal.x")
    drag(page, (0.5, 0.5), (0.4, 0.5))
    assert page.evaluate("document.getElementById('canvas').viewBox.baseVal.x") > before
    page.keyboard.press("0")
    assert zoom(page) == 1000


def test_a_click_on_a_box_still_goes_to_its_face(open_page: OpenPage, picture: FaceKey, expect: Any) -> None:
    page = open_page()
    page.goto(f"/images/{picture.image_id}/")
    page.locator(".box").click()
    page.wait_for_url("**#face-0")
    expect(page.locator("#face-0")).to_be_visible()


def test_a_candidate_is_chosen_with_one_press_and_taken_back(
    open_page: OpenPage, picture: FaceKey, store: Store, expect: Any
) -> None:
    factories.add_personas(store, "Bob")
    publish(store, {picture: ("ada", 0.7)}, also=[("bob", 0.2)])
    page = open_page()
    page.goto(f"/images/{picture.image_id}/")
    face = page.locator("#face-0")
    expect(face.get_by_role("button", name="Ada 70")).to_be_visible()
    face.get_by_role("button", name="Bob 20").click()
    expect(face.locator(".face-name")).to_contain_text("Bob")
    expect(page.locator("#boxes")).to_contain_text("✓ Bob")
    assert store.label_counts(["bob"])["bob"] == (1, 0)
    face.get_by_role("button", name="Take back").click()
    face.get_by_role("button", name="Not Ada").click()
    expect(face.get_by_role("button", name="Ada 70")).to_have_count(0)
    expect(face.locator(".said-not")).to_contain_text("Not Ada")
    face.get_by_role("button", name="take back", exact=True).click()
    expect(face.get_by_role("button", name="Ada 70")).to_be_visible()
    assert store.label_counts(["ada", "bob"]) == {"ada": (0, 0), "bob": (0, 0)}


def test_boxes_can_be_taken_away(open_page: OpenPage, picture: FaceKey, expect: Any) -> None:
    page = open_page(javascript=False)
    page.goto(f"/images/{picture.image_id}/")
    expect(page.locator("#boxes rect")).to_be_visible()
    page.get_by_label("Boxes").uncheck()
    expect(page.locator("#boxes rect")).not_to_be_visible()


def test_a_missed_face_is_dragged_named_and_taken_back(
    open_page: OpenPage, picture: FaceKey, store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto(f"/images/{picture.image_id}/")
    page.get_by_text("Add a missed face").click()
    drag(page, (0.5, 0.5), (0.625, 0.75))
    expect(page.locator("#face-1")).to_be_visible()
    expect(page.locator("#name-1")).to_be_focused()
    _, drawn = store.faces_of([picture.image_id])[picture.image_id]
    assert drawn.detector == HUMAN
    assert drawn.box.iou(Box(320, 240, 80, 120)) > 0.9
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#face-1")).to_contain_text("Not a face")
    page.get_by_text("Add a missed face").click()
    drag(page, (0.7, 0.5), (0.8, 0.75))
    expect(page.locator("#name-2")).to_be_focused()
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    expect(page.locator("#face-2")).to_contain_text("said by owner")
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_without_javascript_a_missed_face_is_four_numbers(
    open_page: OpenPage, picture: FaceKey, store: Store, expect: Any
) -> None:
    page = open_page(javascript=False)
    page.goto(f"/images/{picture.image_id}/")
    page.get_by_text("Add a missed face").click()
    for name, value in {"Left": "320", "Top": "240", "Width": "80", "Height": "100.5"}.items():
        page.get_by_label(name).fill(value)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#face-1")).to_be_visible()
    assert store.faces_of([picture.image_id])[picture.image_id][1].box == Box(320, 240, 80, 100.5)


def test_two_fingers_zoom(open_page: OpenPage, picture: FaceKey) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.goto(f"/images/{picture.image_id}/")
    box = page.locator("#canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = page.context.new_cdp_session(page)
    for kind, spread in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60)):
        points = [{"x": x - spread, "y": y, "id": 0}, {"x": x + spread, "y": y, "id": 1}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert zoom(page) < 600
