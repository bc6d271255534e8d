"""The API's reference and the page of tokens in a browser: what is tried there answers there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from personas.models import ApiToken
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures

pytestmark = pytest.mark.browser

DOCS = "/api/v1/docs"


def opened(page: Any, operation_id: str) -> Any:
    """An operation of the reference, by the link to it."""
    page.goto("about:blank")
    page.goto(f"{DOCS}#{operation_id}")
    return page.locator(f"#{operation_id}")


def test_what_is_tried_is_done_and_its_answer_shown(open_page: Callable[..., Any], store: Store) -> None:
    operation = opened(open_page(), "create_persona")
    operation.get_by_label("body").fill('{"name": "Ada Lovelace"}')
    operation.get_by_role("button", name="Send").click()
    operation.get_by_text("201 Created").wait_for()
    assert len(store.personas_named("Ada Lovelace")) == 1
    assert '"name": "Ada Lovelace"' in operation.locator(".api-result").inner_text()


def test_parameters_are_sent_where_they_belong(open_page: Callable[..., Any], store: Store) -> None:
    factories.add_personas(store, "Ada", "Bob")
    page = open_page()
    operation = opened(page, "list_personas")
    operation.get_by_label("limit").fill("1")
    operation.get_by_label("q").fill("bo")
    operation.get_by_role("button", name="Send").click()
    operation.get_by_text("GET /api/v1/personas?limit=1&q=bo").wait_for()
    assert '"id": "bob"' in operation.locator(".api-result").inner_text()
    key = factories.command_id()
    rename = opened(page, "update_persona")
    rename.get_by_label("persona_id").fill("bob")
    rename.get_by_label("Idempotency-Key").fill(key)
    rename.get_by_label("body").fill('{"name": "Robert"}')
    rename.get_by_role("button", name="Send").click()
    rename.get_by_text("200 OK").wait_for()
    assert key in rename.locator(".api-result").inner_text()


def test_a_picture_that_is_asked_for_again_takes_no_more_memory(open_page: Callable[..., Any], store: Store) -> None:
    (face,) = add_pictures(store, 1)
    page = open_page()
    page.add_init_script(
        """
        window.held = new Set();
        const { createObjectURL, revokeObjectURL } = URL;
        URL.createObjectURL = (blob) => { const url = createObjectURL.call(URL, blob); held.add(url); return url; };
        URL.revokeObjectURL = (url) => { held.delete(url); revokeObjectURL.call(URL, url); };
        """
    )
    operation = opened(page, "read_crop")
    operation.get_by_label("image_id").fill(face.image_id)
    operation.get_by_label("face_no").fill("0")
    shown = operation.get_by_alt_text("The picture that came back")
    for size in ("96", "384"):
        operation.get_by_label("size").select_option(size)
        operation.get_by_role("button", name="Send").click()
        operation.get_by_text(f"crop?size={size}").wait_for()
        shown.wait_for()
        assert page.evaluate("[...held]") == [shown.get_attribute("src")]


def test_a_picture_that_comes_back_is_shown(open_page: Callable[..., Any], store: Store) -> None:
    (face,) = add_pictures(store, 1)
    operation = opened(open_page(), "read_crop")
    operation.get_by_label("image_id").fill(face.image_id)
    operation.get_by_label("face_no").fill("0")
    operation.get_by_label("size").select_option("96")
    operation.get_by_role("button", name="Send").click()
    picture = operation.get_by_alt_text("The picture that came back")
    picture.wait_for()
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") == 96


def test_pictures_are_sent_from_the_reference(open_page: Callable[..., Any], store: Store, tmp_path: Any) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture, which the worker will say")
    operation = opened(open_page(), "create_upload")
    operation.get_by_label("files").set_input_files(str(tmp_path / "a.jpg"))
    operation.get_by_role("button", name="Send").click()
    operation.get_by_text("202 Accepted").wait_for()
    assert [(job.kind, job.total) for job in store.jobs().items] == [("upload", 1)]


def test_the_reference_is_read_without_javascript(open_page: Callable[..., Any]) -> None:
    page = open_page(javascript=False)
    page.goto(DOCS)
    page.get_by_text("Rename a persona").click()
    operation = page.locator("#update_persona")
    assert operation.get_by_text("Needs the labeller role.").is_visible()
    assert not operation.get_by_role("button", name="Send").is_visible()


@pytest.mark.parametrize("path", [DOCS, "/account/tokens/"])
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Callable[..., Any], path: str) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    page.goto(path)
    for each in page.locator("details.api-operation summary").all():
        each.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_token_is_made_shown_once_and_revoked_without_javascript(open_page: Callable[..., Any]) -> None:
    page = open_page(javascript=False)
    page.goto("/account/tokens/")
    page.get_by_label("What is it for?").fill("Photo frame")
    page.get_by_label("Holds").select_option("a year")
    page.get_by_role("button", name="Make a token").click()
    assert page.get_by_label("Token", exact=True).input_value().startswith("fp_")
    page.goto("/account/tokens/")
    assert page.get_by_label("Token", exact=True).count() == 0
    page.get_by_role("button", name="Revoke Photo frame").click()
    page.get_by_text("You have no tokens.").wait_for()
    assert not ApiToken.objects.exists()
