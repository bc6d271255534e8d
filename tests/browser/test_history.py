"""The history in a browser: whatever was said is taken back from there, and said again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from personas.entities import FaceKey, Verdict
from personas.services.labelling import label_faces
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture
def said(store: Store) -> list[FaceKey]:
    """Two faces were said to be Ada's, and a third one not to be."""
    keys = add_pictures(store, 3)
    factories.add_personas(store, "Ada", "Bob")
    say(store, "ada", keys[:2])
    say(store, "ada", keys[2:], Verdict.REJECTED)
    return keys


def say(store: Store, persona_id: str, faces: list[FaceKey], verdict: Verdict = Verdict.BELONGS) -> None:
    """As somebody says it: with what stood before, so that it can be taken back."""
    command = {"actor": "grace", "at": timezone.now(), "command_id": factories.command_id()}
    label_faces(store=store, persona_id=persona_id, faces=faces, verdict=verdict, **command)


@pytest.mark.parametrize("javascript", [True, False])
def test_a_label_is_taken_back_and_given_again(
    open_page: OpenPage, said: list[FaceKey], store: Store, expect: Any, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto("/history/")
    entry = page.locator(".entry").filter(has_text="2 faces marked as Ada")
    entry.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Undone.")
    expect(entry).to_contain_text("taken back")
    expect(page.locator(".entry").first).to_contain_text("by owner")
    assert store.label_counts(["ada"])["ada"] == (0, 1)
    entry.get_by_role("button", name="Redo").click()
    expect(entry).not_to_contain_text("taken back")
    assert store.label_counts(["ada"])["ada"] == (2, 1)


def test_what_was_taken_back_from_the_history_is_said_again_by_its_toast(
    open_page: OpenPage, said: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/history/")
    page.locator(".entry").filter(has_text="1 face said not to be Ada").get_by_role("button", name="Undo").click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("Undone.")
    assert store.label_counts(["ada"])["ada"] == (2, 0)
    toast.get_by_role("button", name="Undo").click()
    expect(toast.get_by_role("button", name="Redo")).to_be_visible()
    assert store.label_counts(["ada"])["ada"] == (2, 1)


def test_what_changed_since_stays_and_is_counted(
    open_page: OpenPage, said: list[FaceKey], store: Store, expect: Any
) -> None:
    say(store, "bob", said[:1])
    page = open_page()
    page.goto("/history/")
    entry = page.locator(".entry").filter(has_text="2 faces marked as Ada")
    entry.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Undone, but for 1 changed since.")
    assert store.label_counts(["ada", "bob"]) == {"ada": (0, 1), "bob": (1, 0)}
