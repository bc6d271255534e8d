"""Several faces at once on a person's page, and everything the product is sure of."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from personas.entities import INGEST, LABELS, FaceKey, RankedFace
from personas.selectors import bulk
from personas.selectors.bulk import predicted_above
from personas.store.base import Store
from tests import factories
from tests.web import publish, text_of

pytestmark = pytest.mark.django_db
CONFIRM = "persona-confirm"


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


def preview(web: Client, *, above: str = "75") -> dict[str, str]:
    """What the form of the page would send."""
    page = text_of(web.get(reverse(CONFIRM, args=["ada"]), {"above": above}))
    form = page[page.index('<form class="confirm"') :]
    return dict(re.findall(r'name="(command_id|above|version|shown)" value="([^"]*)"', form))


def confirm(web: Client, form: dict[str, str] | None = None) -> object:
    return web.post(reverse(CONFIRM, args=["ada"]), form or preview(web), follow=True)


def test_ticked_faces_are_confirmed_together(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = text_of(web.get(reverse("persona", args=["ada"])))
    assert page.count('form="bulk"') == 4
    data = {
        "command_id": factories.command_id(),
        "faces": [str(key) for key in ada[1:4]],
        "choice": "belongs:ada",
        "next": reverse("persona", args=["ada"]),
    }
    before = store.head(LABELS)
    assert "3 faces: This is Ada." in text_of(web.post(reverse("label"), data, follow=True))
    assert store.label_counts(["ada"])["ada"] == (4, 0)
    assert store.head(LABELS) == before + 1


def test_only_whoever_labels_and_only_predictions_have_boxes_to_tick(web: Client, ada: list[FaceKey]) -> None:
    assert 'form="bulk"' not in text_of(web.get(reverse("persona", args=["ada"]) + "?show=labelled"))
    web.force_login(User.objects.create_user("viewer"))
    assert 'form="bulk"' not in text_of(web.get(reverse("persona", args=["ada"])))
    assert web.get(reverse(CONFIRM, args=["ada"])).status_code == 403


def test_the_preview_says_how_many_and_shows_the_least_certain_first(web: Client, ada: list[FaceKey]) -> None:
    page = text_of(web.get(reverse(CONFIRM, args=["ada"]), {"above": "75"}))
    assert "2 faces above 75 %" in page
    shown = re.findall(r"/faces/([0-9a-f]{64})/0/192\.jpg", page)
    assert shown == [ada[2].image_id, ada[1].image_id]  # 80 and 90 per cent
    assert "No face is so sure" in text_of(web.get(reverse(CONFIRM, args=["ada"])))


@pytest.mark.parametrize("above", ["0", "101", "many"])
def test_a_probability_that_is_none_is_refused(web: Client, ada: list[FaceKey], above: str) -> None:
    assert web.get(reverse(CONFIRM, args=["ada"]), {"above": above}).status_code == 422


def test_everything_above_is_confirmed_by_one_command_and_taken_back(
    web: Client, ada: list[FaceKey], store: Store
) -> None:
    page = text_of(confirm(web))
    assert "2 faces: This is Ada." in page
    assert store.label_counts(["ada"])["ada"] == (3, 0)
    token = re.search(r'name="undo" value="([^"]+)"', page)
    assert token
    web.post(reverse("undo"), {"undo": token[1]})
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_confirming_twice_does_it_once(web: Client, ada: list[FaceKey], store: Store) -> None:
    form = preview(web)
    for _ in range(2):
        assert "2 faces: This is Ada." in text_of(confirm(web, form))
    assert store.label_counts(["ada"])["ada"] == (3, 0)


def test_a_form_whose_id_named_something_else_is_refused(web: Client, ada: list[FaceKey], store: Store) -> None:
    form = preview(web)
    renamed = {"name": "Adah", "command_id": form["command_id"]}
    web.post(reverse("persona-rename", args=["ada"]), renamed)
    assert "Reload the page" in text_of(confirm(web, form))
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_as_many_faces_are_ticked_as_one_event_holds(web: Client, ada: list[FaceKey], store: Store) -> None:
    data = {"command_id": factories.command_id(), "faces": [str(ada[1])] * 9_000, "choice": "belongs:ada"}
    assert web.post(reverse("label"), data).status_code == 303
    assert store.label_counts(["ada"])["ada"] == (2, 0)


def test_what_a_newer_version_says_is_looked_at_first(web: Client, ada: list[FaceKey], store: Store) -> None:
    form = preview(web)
    publish(store, {ada[5]: ("ada", 0.99)})
    response = confirm(web, form)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "newer version" in text_of(response)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_faces_that_came_since_are_looked_at_first(web: Client, ada: list[FaceKey], store: Store) -> None:
    form = preview(web)
    store.add_fresh(1, {"ada": [RankedFace(ada[5], 0.97)]}, scored_through=store.head(INGEST))
    response = confirm(web, form)
    assert response.status_code == 422  # type: ignore[attr-defined]
    assert "not those you were shown" in text_of(response)
    assert store.label_counts(["ada"])["ada"] == (1, 0)
    assert "3 faces: This is Ada." in text_of(confirm(web))


def test_faces_settled_since_are_looked_at_again(web: Client, ada: list[FaceKey], store: Store) -> None:
    form = preview(web)
    factories.add_personas(store, "Bob")
    factories.label(store, "bob", ada[1])
    assert "not those you were shown" in text_of(confirm(web, form))
    confirm(web)
    assert store.label_counts(["ada", "bob"]) == {"ada": (2, 0), "bob": (1, 0)}


def test_one_command_takes_only_so_many(ada: list[FaceKey], store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_CONFIRMED", 3)
    monkeypatch.setattr(bulk, "FACES_AT_ONCE", 2)
    found = predicted_above(store, "ada", 0.5)
    assert [item.face.key for item in found.faces] == ada[1:4]
    assert found.more
    assert not predicted_above(store, "ada", 0.7).more


def test_a_sample_reaches_from_the_least_certain_to_the_surest(ada: list[FaceKey], store: Store) -> None:
    found = predicted_above(store, "ada", 0.5)
    assert [item.face.key for item in found.sample(2)] == [ada[4], ada[1]]
    assert [item.face.key for item in found.sample(9)] == [ada[4], ada[3], ada[2], ada[1]]
