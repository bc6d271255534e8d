"""Another version is put in use in a browser, and the one before again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from personas.store.base import Store

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("learnt_twice")]


def in_use(store: Store) -> tuple[int, str]:
    champion = store.champion()
    assert champion is not None
    return champion.version, champion.actor


@pytest.mark.parametrize("javascript", [True, False])
def test_an_earlier_version_is_put_in_use_and_rolled_back(
    open_page: Callable[..., Any], store: Store, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto(reverse("models"))
    assert "In use" in page.locator("#v-2").inner_text()
    page.get_by_role("button", name="Use version 1").click()
    page.get_by_text("Version 1 is in use now.").wait_for()
    assert "In use" in page.locator("#v-1").inner_text()
    assert "In use" not in page.locator("#v-2").inner_text()
    assert in_use(store) == (1, "owner")
    page.get_by_role("button", name="Roll back to version 2").click()
    page.get_by_text("Rolled back: version 2 is in use now.").wait_for()
    assert "In use" in page.locator("#v-2").inner_text()
    assert in_use(store) == (2, "owner")


def test_a_version_is_put_in_use_from_its_own_page(open_page: Callable[..., Any], store: Store) -> None:
    page = open_page()
    page.goto(reverse("model-version", args=[1]))
    page.get_by_role("button", name="Use this version").click()
    page.get_by_text("Version 1 is in use now.").wait_for()
    page.goto(reverse("model-version", args=[1]))
    assert page.get_by_role("button", name="Use this version").count() == 0
    assert in_use(store)[0] == 1


def test_a_switch_from_a_page_that_is_out_of_date_is_refused_in_words(
    open_page: Callable[..., Any], store: Store
) -> None:
    page, other = open_page(), open_page()
    page.goto(reverse("model-version", args=[1]))
    other.goto(reverse("models"))
    other.get_by_role("button", name="Use version 1").click()
    other.get_by_text("Version 1 is in use now.").wait_for()
    page.get_by_role("button", name="Use this version").click()
    page.locator(".toast-failed").wait_for()
    assert "Version 1" in page.locator(".toast-failed").inner_text()
    assert in_use(store)[0] == 1
