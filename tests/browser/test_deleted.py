"""Deleted pictures in a browser: restored from their list, or erased after a page that says what goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from personas.entities import FaceKey
from personas.services.curation import delete_images
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture
def deleted(store: Store) -> list[FaceKey]:
    """Two pictures, each deleted by a command of its own."""
    keys = add_pictures(store, 2)
    for key in keys:
        command = {"actor": "tester", "at": timezone.now(), "command_id": factories.command_id()}
        delete_images(store=store, image_ids=[key.image_id], **command)
    return keys


def test_one_is_restored_and_one_erased_for_good(
    open_page: OpenPage, store: Store, deleted: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto("/images/deleted/")
    expect(page.locator(".deleted-picture")).to_have_count(2)
    page.get_by_role("button", name="Restore").first.click()
    expect(page.locator(".deleted-picture")).to_have_count(1)
    page.get_by_role("link", name="Erase for good").click()
    expect(page.get_by_role("heading", name="Erase this picture for good?")).to_be_visible()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("heading", name="No picture is deleted")).to_be_visible()
    left = {mark.image_id for mark in store.deleted_images().items}
    assert store.erased_among([key.image_id for key in deleted]).keys() == left
    assert len(left) == 1


def test_somebody_who_thinks_again_keeps_the_picture(
    open_page: OpenPage, store: Store, deleted: list[FaceKey], expect: Any
) -> None:
    page = open_page()
    page.goto(f"/images/deleted/{deleted[0].image_id}/erase/")
    page.get_by_role("link", name="Keep it").click()
    expect(page.locator(".deleted-picture")).to_have_count(2)
    assert store.erased_images().items == ()
