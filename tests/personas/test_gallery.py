"""The grid of people and a person's predictions, read page by page while others change them."""

from __future__ import annotations

import pytest

from personas.errors import NotFoundError
from personas.selectors.gallery import persona_grid
from personas.services.curation import delete_persona
from personas.services.personas import MAX_NAME_LENGTH
from personas.store.base import Store
from personas.views.http import MAX_CURSOR
from tests import factories

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


@pytest.mark.parametrize("cursor", ["ada", "~~", "ada~!", "ada~/w==", "ada~a"])
def test_a_place_in_the_grid_that_no_page_gave_is_refused(store: Store, cursor: str) -> None:
    factories.add_personas(store, "Ada", "Bob")
    with pytest.raises(NotFoundError, match="go back"):
        persona_grid(store, cursor=cursor)
