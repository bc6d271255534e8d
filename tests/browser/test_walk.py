"""A walk through every page in a real browser, and what people do there with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from personas.entities import LABELS, FaceKey
from personas.store.base import Store
from tests import factories
from tests.browser.pages import addresses
from tests.browser.waiting import until
from tests.web import add_pictures, draw_picture, publish

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture
def ada(small_world: list[FaceKey]) -> list[FaceKey]:
    return small_world


@pytest.mark.parametrize(
    "look",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "has_touch": True},
        {"javascript": False},
    ],
    ids=["light", "dark phone", "no javascript"],
)
def test_every_page_loads_without_a_complaint(
    open_page: OpenPage, ada: list[FaceKey], look: dict[str, Any], expect: Any
) -> None:
    page = open_page(**look)
    for address in addresses(ada):
        answer = page.goto(address)
        assert answer.status == 200, address
        expect(page.locator("h1").first).to_be_attached()
        if look.get("javascript", True):
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{address} scrolls sideways by {over} px"


def test_confirming_moves_the_crop_and_undo_brings_it_back(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    expect(page.locator(".tile")).to_have_count(4)
    page.get_by_role("button", name="Yes, this is Ada").first.click()
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.locator("#tabs")).to_contain_text("Labelled 2")
    assert store.label_counts(["ada"])["ada"] == (2, 0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tile")).to_have_count(4)
    expect(page.locator("#tabs")).to_contain_text("Labelled 1")


def test_rejecting_from_the_keyboard_goes_on_to_the_next_face(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    page.locator(".tile .no").first.focus()
    for left in (3, 2):
        page.keyboard.press("Enter")
        expect(page.locator(".tile")).to_have_count(left)
    expect(page.locator("#tabs")).to_contain_text("Rejected 2")
    assert store.label_counts(["ada"])["ada"] == (1, 2)


def test_a_crop_comes_back_when_the_server_says_no(
    open_page: OpenPage, ada: list[FaceKey], expect: Any, complaints: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    page.route("**/labels/", lambda route: route.abort())
    page.locator(".tile .yes").first.click()
    expect(page.locator(".toast-failed")).to_contain_text("The server does not answer")
    expect(page.locator(".tile.leaving")).to_have_count(0)
    expect(page.locator(".tile")).to_have_count(4)
    # the browser and htmx log the failed request
    complaints.found = [said for said in complaints.found if "ERR_FAILED" not in said and "htmx:" not in said]


def test_an_answer_that_is_lost_is_said_to_be_maybe_saved_and_sent_again_is_done_once(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any, complaints: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    before = store.head(LABELS)

    def lose_the_answer(route: Any) -> None:
        route.fetch()
        route.abort()

    page.route("**/labels/", lose_the_answer, times=1)
    page.locator(".tile .no").first.click()
    expect(page.locator(".toast-failed")).to_contain_text("may have been saved")
    assert store.head(LABELS) == before + 1
    page.locator(".tile .no").first.click()
    expect(page.locator("#tabs")).to_contain_text("Rejected 1")
    assert store.head(LABELS) == before + 1
    complaints.found = [said for said in complaints.found if "ERR_FAILED" not in said and "htmx:" not in said]


def test_a_new_version_appears_by_itself(open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any) -> None:
    page, before = open_page(), store.label_counts(["ada"])
    page.goto("/personas/ada/")
    page.get_by_role("button", name="Yes, this is Ada").first.click()
    expect(page.locator("#learning")).to_have_attribute("data-busy", "")
    until(page, lambda: store.label_counts(["ada"]) != before)
    publish(store, dict.fromkeys(ada[2:], ("ada", 0.8)))
    expect(page.locator("#learning")).to_contain_text("Version 2")
    expect(page.locator(f'.tile:has(input[value="{ada[5]}"])')).to_have_count(1)


def test_the_first_predictions_open_their_tab(open_page: OpenPage, store: Store, expect: Any) -> None:
    keys = add_pictures(store, 3)
    factories.add_personas(store, "Ada")
    factories.label(store, "ada", keys[0])
    page = open_page()
    page.goto("/personas/ada/")
    current = page.locator("#tabs [aria-current]")
    expect(current).to_contain_text("Labelled 1")
    publish(store, {keys[1]: ("ada", 0.8)})
    expect(current).to_contain_text("Predicted 1", timeout=15000)


def test_a_page_does_not_refresh_under_somebody_who_types(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto(f"/images/{ada[5].image_id}/")
    field = page.get_by_label("Name of face 1")
    field.fill("Gra")
    publish(store, {ada[5]: ("ada", 0.8)})
    expect(page.locator("#learning")).to_contain_text("Version 2")
    expect(field).to_have_value("Gra")
    field.fill("")
    field.blur()
    expect(page.locator(".face-name")).to_contain_text("Ada")


def test_a_refresh_on_its_way_does_not_take_the_form_of_a_change(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/?show=predicted")
    expect(page.locator(".tile")).to_have_count(4)
    held: dict[str, Any] = {}
    page.route("**/personas/ada/?show=predicted", lambda route: held.setdefault("refresh", route))
    page.route("**/labels/", lambda route: held.setdefault("change", route))
    with page.expect_request("**/personas/ada/?show=predicted"):
        publish(store, dict.fromkeys(ada[1:5], ("ada", 0.8)), version=2)
    with page.expect_request("**/labels/"):
        page.get_by_role("button", name="Yes, this is Ada").first.click()
    with page.expect_response("**/personas/ada/?show=predicted"):
        held["refresh"].continue_()
    page.unroute("**/personas/ada/?show=predicted")
    held["change"].continue_()
    expect(page.locator(".toast")).to_contain_text("Undo")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.locator(".tile").first).to_contain_text("80")  # the refresh that waited came after


def test_naming_a_face_on_its_picture(open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any) -> None:
    page = open_page()
    page.goto(f"/images/{ada[5].image_id}/")
    page.get_by_label("Name of face 1").fill("Grace")
    page.keyboard.press("Enter")
    expect(page.locator(".face-name")).to_contain_text("Grace")
    expect(page.locator("#boxes")).to_contain_text("✓ Grace")
    assert store.personas_named("Grace")


def test_suggestions_come_while_typing(open_page: OpenPage, ada: list[FaceKey], expect: Any) -> None:
    page = open_page()
    page.goto("/unknown/")
    page.get_by_label("Name of this face").press_sequentially("ad")
    expect(page.locator('#persona-names option[value="Ada"]')).to_have_count(1)


def test_an_unknown_face_becomes_a_stranger(open_page: OpenPage, ada: list[FaceKey], expect: Any) -> None:
    page = open_page()
    page.goto("/unknown/")
    page.get_by_role("button", name="Stranger").click()
    expect(page.locator(".tile")).to_have_count(0)
    page.goto("/strangers/")
    expect(page.locator(".tile")).to_have_count(1)


def test_labelling_without_javascript(open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any) -> None:
    page = open_page(javascript=False)
    page.goto("/personas/ada/")
    page.get_by_role("button", name="No, this is not Ada").first.click()
    expect(page.locator(".toast")).to_contain_text("Not Ada")
    expect(page.locator("#tabs")).to_contain_text("Rejected 1")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#tabs")).to_contain_text("Rejected 0")
    page.goto(f"/images/{ada[5].image_id}/")
    page.get_by_label("Name of face 1").fill("Grace")
    page.get_by_role("button", name="Name").click()
    expect(page.locator(".face-name")).to_contain_text("Grace")


def test_a_person_is_added_and_renamed(open_page: OpenPage, ada: list[FaceKey], expect: Any) -> None:
    page = open_page()
    page.goto("/")
    page.get_by_text("Add a person").click()
    page.get_by_label("Name of the new person").fill("Grace")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace")
    page.get_by_label("Rename Grace").click()
    page.get_by_label("New name").fill("Grace Hopper")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace Hopper")


def test_long_lists_grow_while_scrolling(open_page: OpenPage, store: Store, expect: Any) -> None:
    factories.add_personas(store, *(f"P{number:03}" for number in range(130)))
    page = open_page()
    page.goto("/")
    expect(page.locator(".card")).to_have_count(60)
    for _ in range(600):  # each part must have come before there is something to scroll to
        if page.locator(".card").count() == 130:
            break
        page.mouse.wheel(0, 4000)
        page.wait_for_timeout(100)
    expect(page.locator(".card")).to_have_count(130)


@pytest.mark.parametrize("javascript", [True, False])
def test_uploading_pictures(open_page: OpenPage, tmp_path: Path, store: Store, expect: Any, javascript: bool) -> None:
    files = []
    for number in range(2):
        file = tmp_path / f"{number}.jpg"
        file.write_bytes(draw_picture([factories.box()], seed=number))
        files.append(file)
    page = open_page(javascript=javascript)
    page.goto("/upload/")
    page.get_by_label("Pictures to upload").set_input_files(files)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator(".job")).to_contain_text("0 / 2")
    assert len(store.jobs().items) == 1


def test_a_failure_is_a_toast_and_a_page(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any, complaints: Any
) -> None:
    factories.add_personas(store, "Sam")
    store.record("labels", [factories.persona_added("sam2", "Sam")])
    page = open_page()
    page.goto(f"/images/{ada[5].image_id}/")
    page.get_by_label("Name of face 1").fill("Sam")
    page.keyboard.press("Enter")
    expect(page.locator(".toast-failed")).to_contain_text("2 people are called Sam")
    page.goto("/personas/nobody/")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing here")
    complaints.found = [
        said for said in complaints.found if "409" not in said and "404" not in said
    ]  # browsers log failed answers as errors


def test_signing_out_ends_the_visit(open_page: OpenPage, ada: list[FaceKey], expect: Any) -> None:
    page = open_page()
    page.goto("/")
    page.get_by_label("Account of owner").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.goto("/personas/ada/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
