"""The grid of people and a person's predictions, read page by page while others change them."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from personas.entities import FaceKey, Persona, RankedFace, Slice
from personas.errors import NotFoundError
from personas.selectors import gallery
from personas.selectors.gallery import persona_grid, persona_predicted, personas_called
from personas.services.curation import delete_persona
from personas.services.personas import MAX_NAME_LENGTH, hide_persona
from personas.store.base import Store
from personas.views.http import MAX_CURSOR
from tests import factories
from tests.web import add_pictures, publish, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


def _names(store: Store, *, limit: int) -> list[str]:
    """Everyone in the grid, page by page."""
    found: list[str] = []
    cursor = None
    while True:
        page = persona_grid(store, cursor=cursor, limit=limit)
        found += [summary.persona.name for summary in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
        assert len(cursor) <= MAX_CURSOR


def test_a_typed_name_means_whoever_bears_it_in_any_case_hidden_or_not(store: Store) -> None:
    factories.add_personas(store, "Ada", "Bob")
    hide_persona(
        store=store, persona_id="ada", hidden=True, actor="t", at=factories.NOW, command_id=factories.command_id()
    )
    assert [persona.name for persona in personas_called(store, "aDA")] == ["Ada"]


# ---- the grid --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("limit", [1, 2, 60])
def test_everyone_comes_once_by_name_without_regard_to_case(store: Store, limit: int) -> None:
    factories.add_personas(store, "bob", "Ada", "Cleo", "ADELE")
    assert _names(store, limit=limit) == ["Ada", "ADELE", "bob", "Cleo"]


def test_paging_goes_on_behind_a_persona_that_is_deleted_meanwhile(store: Store) -> None:
    factories.add_personas(store, "Ada", "Bob", "Cleo", "Dan")
    first = persona_grid(store, limit=2)
    delete_persona(store=store, persona_id="bob", actor="zoe", at=factories.NOW, command_id=factories.command_id())
    second = persona_grid(store, cursor=first.next_cursor, limit=2)
    assert [summary.persona.name for summary in second.items] == ["Cleo", "Dan"]


@pytest.mark.parametrize("letter", ["a", "字", "ΐ", "𐐀"])
def test_names_as_long_as_they_may_be_are_paged(store: Store, letter: str) -> None:
    """Such letters take one to six bytes when they are compared."""
    for number in range(3):
        name = letter * (MAX_NAME_LENGTH - 1) + str(number)
        store.record("labels", [factories.persona_added(f"persona-{number}", name)])
    assert len(set(_names(store, limit=1))) == 3


@pytest.fixture
def reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets an entry whenever all personas are read."""
    found: list[str] = []
    personas = store.personas

    def counted(**part: Any) -> Slice[Persona]:
        found.append("personas")
        return personas(**part)

    monkeypatch.setattr(store, "personas", counted)
    return found


def test_the_page_of_people_reads_all_of_them_once_and_says_how_many_are_hidden(
    web: Client, store: Store, reads: list[str]
) -> None:
    factories.add_personas(store, "Ada", "Bob", "Cleo")
    hide_persona(
        store=store, persona_id="bob", hidden=True, actor="zoe", at=factories.NOW, command_id=factories.command_id()
    )
    page = text_of(web.get(reverse("persona-grid")))
    assert page.count('class="card"') == 2
    assert "1 hidden" in page
    assert len(reads) == 1


@pytest.mark.parametrize(("query", "most"), [({"persona": "ada"}, 1), ({}, 2)])
def test_the_administration_of_labels_reads_all_personas_for_its_filter_and_for_a_first_choice(
    web: Client, ada: list[FaceKey], reads: list[str], query: dict[str, str], most: int
) -> None:
    page = text_of(web.get(reverse("admin:personas_label_changelist"), query))
    assert f"{ada[0].image_id}" in page
    assert len(reads) == most


@pytest.mark.parametrize("cursor", ["ada", "~~", "ada~!", "ada~/w==", "ada~a"])
def test_a_place_in_the_grid_that_no_page_gave_is_refused(store: Store, cursor: str) -> None:
    factories.add_personas(store, "Ada", "Bob")
    with pytest.raises(NotFoundError, match="go back"):
        persona_grid(store, cursor=cursor)


# ---- predictions ---------------------------------------------------------------------------------------------------
@pytest.fixture
def settled(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[FaceKey]:
    """Ada is predicted in 150 faces, most probably in the first; of these all but the last two are labelled."""
    monkeypatch.setattr(gallery, "LOOKED_THROUGH", 70)
    monkeypatch.setattr(gallery, "LOOKED_AT_ONCE", 40)
    keys = add_pictures(store, 150)
    factories.add_personas(store, "Ada")
    publish(store, {key: ("ada", 0.9 - number / 1000) for number, key in enumerate(keys)})
    factories.label(store, "ada", *keys[:-2])
    return keys


def test_a_page_reads_no_more_however_many_were_settled_and_says_that_there_is_more(
    store: Store, settled: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ranked = store.ranked

    def counted(*args: Any, limit: int, **others: Any) -> tuple[RankedFace, ...]:
        asked.append(limit)
        return ranked(*args, limit=limit, **others)

    monkeypatch.setattr(store, "ranked", counted)
    page = persona_predicted(store, "ada", limit=2)
    assert page.items == ()
    assert page.next_cursor
    assert asked == [2, 40, 40, 1]  # the last one looks whether there is more


@pytest.mark.parametrize("limit", [1, 2, 3, 60])
def test_predictions_behind_many_settled_ones_are_found_by_going_on(
    store: Store, settled: list[FaceKey], limit: int
) -> None:
    found: list[FaceKey] = []
    cursor = None
    while True:
        page = persona_predicted(store, "ada", cursor=cursor, limit=limit)
        found += [item.face.key for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == settled[-2:]


def test_the_page_of_a_persona_leads_on_where_all_that_was_looked_at_is_settled(
    web: Client, settled: list[FaceKey]
) -> None:
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "predicted"}))
    assert "No more faces" not in page
    while 'class="tile' not in page:
        more = re.search(r'href="([^"]+)">Look further', page)
        assert more
        page = text_of(web.get(unescape(more[1])))
    assert page.count('form="bulk"') == 2
