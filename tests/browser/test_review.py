"""Reviewing in a browser: keys and buttons, answers that are sent behind the next face, failures that bring it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from personas.entities import IGNORED, NOT_A_FACE, STRANGER, FaceKey, Verdict
from personas.store.base import Store
from tests import factories
from tests.browser.waiting import until
from tests.chromium import Complaints
from tests.web import add_pictures, publish

pytestmark = pytest.mark.browser
OpenPage = Callable[..., Any]
ANSWERS = "**/labels/"


@pytest.fixture
def unsure(store: Store) -> list[FaceKey]:
    """Ada has a labelled face; four faces may be hers, the last one most doubtfully."""
    keys = add_pictures(store, 6)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, "ada", keys[0])
    publish(store, {key: ("ada", 0.9 - number / 10) for number, key in enumerate(keys[1:5])})
    return keys


@pytest.fixture
def page(open_page: OpenPage, unsure: list[FaceKey], expect: Any) -> Any:
    """At the first question, with the next ones in the page."""
    opened = open_page()
    opened.goto("/review/")
    expect(opened.locator(".question")).to_have_count(4)
    return opened


def shown(page: Any) -> str:
    """The face in question."""
    faces = page.locator(".question:not([hidden])").get_attribute("data-faces")
    return str(faces).strip()


def wait_for_labels(page: Any, store: Store, persona_id: str, expected: tuple[int, int]) -> None:
    until(page, lambda: store.label_counts([persona_id])[persona_id] == expected)
    assert store.label_counts([persona_id])[persona_id] == expected


def test_keys_answer_and_the_next_face_shows_at_once(page: Any, unsure: list[FaceKey], store: Store) -> None:
    assert shown(page) == str(unsure[4])
    page.keyboard.press("y")
    assert shown(page) == str(unsure[3])
    page.keyboard.press("n")
    assert shown(page) == str(unsure[2])
    page.keyboard.press("1")
    assert shown(page) == str(unsure[1])
    wait_for_labels(page, store, "ada", (3, 1))
    page.keyboard.press("t")
    wait_for_labels(page, store, STRANGER, (1, 0))
    assert page.locator("#review-empty").is_visible()
    assert "4 answered" in page.locator("#review-pace").inner_text()


def test_numbers_name_the_other_candidates_and_letters_set_aside(
    page: Any, unsure: list[FaceKey], store: Store, expect: Any
) -> None:
    others = [(name.lower(), 0.05) for name in ("Bob", "Cleo", "Dan")]
    factories.add_personas(store, "Cleo", "Dan")
    publish(store, {key: ("ada", 0.9 - number / 10) for number, key in enumerate(unsure[1:5])}, also=others)
    page.reload()
    expect(page.locator(".question:not([hidden]) .candidates li")).to_have_count(4)
    page.keyboard.press("2")
    wait_for_labels(page, store, "bob", (1, 0))
    page.keyboard.press("4")
    wait_for_labels(page, store, "dan", (1, 0))
    page.keyboard.press("9")  # nobody is the ninth
    assert shown(page) == str(unsure[2])
    page.keyboard.press("i")
    wait_for_labels(page, store, IGNORED, (1, 0))
    page.keyboard.press("f")
    wait_for_labels(page, store, NOT_A_FACE, (1, 0))


def test_the_next_face_does_not_wait_for_the_server(page: Any, unsure: list[FaceKey], store: Store) -> None:
    held: list[Any] = []
    page.route(ANSWERS, lambda route: route.continue_() if held else held.append(route))
    page.keyboard.press("y")
    assert shown(page) == str(unsure[3])
    page.keyboard.press("y")
    assert shown(page) == str(unsure[2])
    assert store.label_counts(["ada"])["ada"] == (1, 0)
    until(page, lambda: bool(held))
    held[0].continue_()  # answers go out one after the other
    wait_for_labels(page, store, "ada", (3, 0))


def test_undo_brings_the_face_back_and_takes_the_answer_back(page: Any, unsure: list[FaceKey], store: Store) -> None:
    page.keyboard.press("y")
    page.keyboard.press("y")
    page.keyboard.press("u")
    assert shown(page) == str(unsure[3])
    page.keyboard.press("u")
    assert shown(page) == str(unsure[4])
    wait_for_labels(page, store, "ada", (1, 0))
    page.keyboard.press("n")
    wait_for_labels(page, store, "ada", (1, 1))


def test_a_refused_answer_brings_the_face_back_and_says_why(
    page: Any, unsure: list[FaceKey], store: Store, expect: Any, complaints: Complaints
) -> None:
    store.record("labels", [factories.persona_added("bob2", "Bob")])
    page.keyboard.press("a")
    page.keyboard.type("Bob")
    page.keyboard.press("Enter")
    expect(page.locator(".toast-failed")).to_contain_text("2 people are called Bob")
    assert shown(page) == str(unsure[4])
    complaints.found = [said for said in complaints.found if "409" not in said]  # browsers log failed answers


def test_no_answer_of_the_server_brings_the_face_back(
    page: Any, unsure: list[FaceKey], expect: Any, complaints: Complaints
) -> None:
    page.route(ANSWERS, lambda route: route.abort())
    page.keyboard.press("y")
    expect(page.locator(".toast-failed")).to_contain_text("does not answer")
    assert shown(page) == str(unsure[4])
    complaints.found = [said for said in complaints.found if "ERR_FAILED" not in said]


def test_an_answer_that_fails_after_it_was_taken_back_changes_nothing_more(
    page: Any, unsure: list[FaceKey], store: Store, expect: Any, complaints: Complaints
) -> None:
    sent: list[Any] = []

    def hold_the_second(route: Any) -> None:
        sent.append(route)
        if len(sent) != 2:
            route.continue_()

    page.route(ANSWERS, hold_the_second)
    page.keyboard.press("y")
    page.keyboard.press("y")
    wait_for_labels(page, store, "ada", (2, 0))
    page.keyboard.press("u")
    page.keyboard.press("n")
    until(page, lambda: len(sent) == 2)
    sent[1].abort()
    wait_for_labels(page, store, "ada", (2, 1))
    assert shown(page) == str(unsure[2])
    expect(page.locator("#review-left")).to_have_text("2")
    expect(page.locator("#review-pace")).to_contain_text("2 answered")
    complaints.found = [said for said in complaints.found if "ERR_FAILED" not in said]


def test_a_key_that_is_held_takes_back_one_answer(page: Any, unsure: list[FaceKey], store: Store) -> None:
    page.keyboard.press("y")
    page.keyboard.press("y")
    wait_for_labels(page, store, "ada", (3, 0))
    for _ in range(3):
        page.keyboard.down("u")  # all but the first are repeats
    page.keyboard.up("u")
    assert shown(page) == str(unsure[3])
    wait_for_labels(page, store, "ada", (2, 0))


def test_a_new_person_is_named_from_the_keyboard(page: Any, unsure: list[FaceKey], store: Store) -> None:
    page.keyboard.press("a")
    page.keyboard.type("Grace")  # keys of answers are letters of a name here
    page.keyboard.press("Enter")
    assert shown(page) == str(unsure[3])
    for _ in range(200):
        if store.personas_named("Grace"):
            break
        page.wait_for_timeout(50)
    (grace,) = store.personas_named("Grace")
    wait_for_labels(page, store, grace.persona_id, (1, 0))


def test_skipped_faces_stay_away_after_a_reload(page: Any, unsure: list[FaceKey], expect: Any) -> None:
    with page.expect_response("**/review/skip/"):
        page.keyboard.press("s")
    assert shown(page) == str(unsure[3])
    page.reload()
    expect(page.locator(".question")).to_have_count(3)
    assert shown(page) == str(unsure[3])


def test_questions_of_a_new_version_appear_by_themselves(
    page: Any, unsure: list[FaceKey], store: Store, expect: Any
) -> None:
    for _ in range(4):
        page.keyboard.press("y")
    wait_for_labels(page, store, "ada", (5, 0))
    expect(page.locator("#review-empty")).to_be_visible()
    publish(store, {unsure[5]: ("bob", 0.6)})
    expect(page.get_by_role("heading", level=2).first).to_have_text("Is this Bob?")
    page.keyboard.press("y")
    wait_for_labels(page, store, "bob", (1, 0))


def test_help_lists_the_keys_that_work_here_and_no_others(page: Any, expect: Any) -> None:
    page.keyboard.press("?")
    keys = page.locator("#review-help kbd")
    expect(page.locator("#review-help")).to_be_visible()
    assert keys.all_inner_texts()[:-1] == ["y", "n", "1", "a", "t", "i", "f", "s", "?"]
    page.keyboard.press("y")  # answers nothing while the help is open
    expect(page.locator(".question")).to_have_count(4)
    page.keyboard.press("?")
    expect(page.locator("#review-help")).to_be_hidden()


def test_what_is_shown_is_told_to_screen_readers(page: Any, store: Store, expect: Any) -> None:
    expect(page.locator("#review-said")).to_have_text("Is this Ada? 1: Ada")
    page.keyboard.press("y")
    assert page.evaluate("document.activeElement.classList.contains('question')")
    wait_for_labels(page, store, "ada", (2, 0))


def test_look_alikes_are_one_decision_and_can_be_left_out(open_page: OpenPage, store: Store, expect: Any) -> None:
    one = factories.new_face("somebody")
    factories.save(store, *[factories.extracted(name, faces=[one]) for name in ("a", "b", "c")])
    keys = add_pictures(store, 1, prefix="other")
    factories.add_personas(store, "Ada")
    factories.label(store, "ada", *keys, verdict=Verdict.BELONGS)
    page = open_page()
    page.route("**/faces/**", lambda route: route.fulfill(status=200, content_type="image/svg+xml", body="<svg/>"))
    page.route("**/preview-*", lambda route: route.fulfill(status=200, content_type="image/svg+xml", body="<svg/>"))
    page.goto("/review/")
    expect(page.get_by_role("heading", level=2).first).to_have_text("These 3 look alike: who is this?")
    page.get_by_role("checkbox", name="Similar face 1").uncheck()
    page.keyboard.press("a")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    wait_for_labels(page, store, "ada", (3, 0))


def test_answering_without_javascript(open_page: OpenPage, unsure: list[FaceKey], store: Store, expect: Any) -> None:
    page = open_page(javascript=False)
    page.goto("/review/")
    assert shown(page) == str(unsure[4])
    page.get_by_role("button", name="Yes").click()
    expect(page.locator(".toast")).to_contain_text("This is Ada")
    assert shown(page) == str(unsure[3])
    page.get_by_role("button", name="Undo").click()
    assert store.label_counts(["ada"])["ada"] == (1, 0)
    page.get_by_role("button", name="Skip").click()
    page.get_by_label("Name of this person").fill("Grace")
    page.get_by_role("button", name="Name", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("This is Grace")
    page.get_by_role("button", name="Stranger").click()
    assert store.label_counts([STRANGER])[STRANGER] == (1, 0)


# ---- several faces at once on a person's page ------------------------------------------------------------------------
def test_shift_ticks_what_lies_between(open_page: OpenPage, unsure: list[FaceKey], store: Store, expect: Any) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    boxes = page.locator(".pick input")
    expect(page.get_by_role("button", name="Confirm", exact=True)).to_be_disabled()
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.locator("#bulk-count")).to_have_text("3 of 4 selected")
    page.get_by_label("All on this page").check()
    expect(page.locator("#bulk-count")).to_have_text("4 of 4 selected")
    boxes.nth(3).uncheck()
    page.get_by_role("button", name="Confirm", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("3 faces: This is Ada")
    assert store.label_counts(["ada"])["ada"] == (4, 0)


def test_selected_faces_move_without_javascript(
    open_page: OpenPage, unsure: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page(javascript=False)
    page.goto("/personas/ada/")
    for box in page.locator(".pick input").all()[:2]:
        box.check()
    page.get_by_label("Who the selected faces are instead").fill("Bob")
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("2 faces: This is Bob")
    assert store.label_counts(["bob"])["bob"] == (2, 0)


def test_all_that_is_sure_is_confirmed_after_a_look(
    open_page: OpenPage, unsure: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/personas/ada/")
    page.get_by_role("link", name="Confirm all above").click()
    page.get_by_label("At least").fill("75")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".tile")).to_have_count(2)
    page.get_by_role("button", name="Confirm 2 as Ada").click()
    expect(page.locator(".toast")).to_contain_text("2 faces: This is Ada")
    assert store.label_counts(["ada"])["ada"] == (3, 0)
