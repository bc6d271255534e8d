"""A persona's page: tabs, order, the least probability, pictures, and why a face is taken for somebody."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from personas.entities import LABELS, STRANGER, FaceKey, FloatArray, Verdict
from personas.errors import NotFoundError
from personas.selectors import ordered, why
from personas.selectors.gallery import persona_predicted
from personas.selectors.ordered import LabelOrder, labelled_in_order, persona_pictures
from personas.selectors.why import explain
from personas.services.curation import delete_images
from personas.store.base import Store
from tests import factories as make
from tests.web import HTMX, publish, send_label, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


def _picture(
    store: Store, name: str, *, quality: float = 0.8, at: float = 0, embedding: FloatArray | None = None
) -> FaceKey:
    face = replace(make.new_face(name), quality=quality)
    if embedding is not None:
        face = replace(face, embedding=embedding)
    picture = make.extracted(name, faces=[face])
    make.save(store, replace(picture, image=replace(picture.image, ingested_at=make.at(at))))
    return make.key(name)


@pytest.fixture
def labelled(store: Store) -> list[FaceKey]:
    """Five faces of Ada: labelled one after the other, the first the clearest."""
    make.add_personas(store, "Ada")
    keys = []
    for number in range(5):
        keys.append(_picture(store, f"l{number}", quality=0.9 - number / 10, at=number))
        store.record(LABELS, [make.labelled("ada", [keys[-1]], when=make.at(number))])
    return keys


def _all(store: Store, order: LabelOrder, limit: int) -> list[FaceKey]:
    found: list[FaceKey] = []
    cursor = None
    while True:
        part = labelled_in_order(store, "ada", order, belongs=True, cursor=cursor, limit=limit)
        found += [item.face.key for item in part.items]
        cursor = part.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 5, 60])
def test_labelled_faces_come_newest_first_or_clearest_first(store: Store, labelled: list[FaceKey], limit: int) -> None:
    assert _all(store, LabelOrder.DATE, limit) == labelled[::-1]
    assert _all(store, LabelOrder.QUALITY, limit) == labelled


def test_a_label_taken_back_between_two_pages_moves_nothing(store: Store, labelled: list[FaceKey]) -> None:
    first = labelled_in_order(store, "ada", LabelOrder.DATE, belongs=True, limit=2)
    make.label(store, "ada", labelled[4], verdict=Verdict.CLEARED)
    second = labelled_in_order(store, "ada", LabelOrder.DATE, belongs=True, cursor=first.next_cursor, limit=2)
    assert [item.face.key for item in second.items] == [labelled[2], labelled[1]]


def test_more_labels_than_are_sorted_are_said_to_be_cut_and_are_all_there_unsorted(
    web: Client, store: Store, labelled: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered, "SORTED_AT_MOST", 3)
    monkeypatch.setattr("personas.views.people.SORTED_AT_MOST", 3)
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "labelled"}))
    assert page.count('class="tile tile-labelled"') == 3
    assert "these are the first 3" in page
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "labelled", "sort": "any"}))
    assert page.count('class="tile tile-labelled"') == 5
    assert "too many" not in page


@pytest.mark.parametrize("cursor", ["x", "1.0", "x~y", "~"])
@pytest.mark.parametrize("show", ["labelled", "pictures"])
def test_a_cursor_that_no_page_gave_is_not_found(web: Client, labelled: list[FaceKey], cursor: str, show: str) -> None:
    assert web.get(reverse("persona", args=["ada"]), {"show": show, "cursor": cursor}).status_code == 404


# ---- the least probability -------------------------------------------------------------------------------------------
def test_only_faces_of_the_least_probability_are_shown(ada: list[FaceKey], store: Store) -> None:
    found = persona_predicted(store, "ada", at_least=0.75, limit=60)
    assert [item.face.key for item in found.items] == ada[1:3]
    first = persona_predicted(store, "ada", at_least=0.75, limit=1)
    second = persona_predicted(store, "ada", at_least=0.75, cursor=first.next_cursor, limit=1)
    assert [item.face.key for item in (*first.items, *second.items)] == ada[1:3]
    assert second.next_cursor is None


def test_each_choice_is_a_link_and_says_which_is_taken(web: Client, ada: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "predicted", "min": "80"}))
    assert page.count('class="tile tile-predicted"') == 2
    assert re.search(r'href="/personas/ada/\?show=predicted&amp;min=80" aria-current="true"', page)
    assert "as version 1 has it" in page
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "predicted", "min": "95"}))
    assert "None that sure" in page


@pytest.mark.parametrize("query", [{"min": "no"}, {"min": "1e9"}, {"show": "labelled", "sort": "name"}])
def test_a_choice_that_nobody_offered_is_the_first(web: Client, ada: list[FaceKey], query: dict[str, str]) -> None:
    response = web.get(reverse("persona", args=["ada"]), query)
    assert response.status_code == 200
    assert text_of(response).count('class="tile tile-') == (1 if "sort" in query else 4)


def test_the_choice_is_kept_on_the_following_page(
    web: Client, ada: list[FaceKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("personas.views.people.TILES", 1)
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "predicted", "min": "80"}))
    (more,) = re.findall(r'hx-get="([^"]*cursor=[^"]*)"', page)
    page = text_of(web.get(more.replace("&amp;", "&"), headers={**HTMX, "HX-Target": "more-faces"}))
    assert page.count('class="tile tile-predicted"') == 1
    assert "More faces" not in page


# ---- pictures --------------------------------------------------------------------------------------------------------
def test_pictures_that_show_a_persona_come_once_newest_first(store: Store) -> None:
    make.add_personas(store, "Ada")
    make.save(store, make.extracted("two", faces=2))
    old, new = _picture(store, "old", at=-10), _picture(store, "new", at=10)
    _picture(store, "other")
    make.label(store, "ada", make.key("two", 0))
    publish(store, {make.key("two", 1): ("ada", 0.9), old: ("ada", 0.8), new: ("ada", 0.7)})
    expected = [make.image_id(name) for name in ("new", "two", "old")]
    assert [image.image_id for image in persona_pictures(store, "ada").items] == expected
    first = persona_pictures(store, "ada", limit=2)
    second = persona_pictures(store, "ada", cursor=first.next_cursor, limit=2)
    assert [image.image_id for image in (*first.items, *second.items)] == expected
    delete_images(store=store, image_ids=[old.image_id], actor="ada", at=make.NOW, command_id=make.command_id())
    assert [image.image_id for image in persona_pictures(store, "ada").items] == expected[:2]


def test_the_tab_of_pictures_shows_them(web: Client, ada: list[FaceKey]) -> None:
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "pictures"}))
    assert page.count('class="thumbnail"') == 5
    assert 'class="tile' not in page


# ---- why -------------------------------------------------------------------------------------------------------------
def _like(embedding: FloatArray, cosine: float, seed: str) -> FloatArray:
    """A vector at this cosine to another."""
    other = make.embedding(seed)
    other = other - embedding * float(other @ embedding)
    other /= np.linalg.norm(other)
    return (embedding * cosine + other * np.sqrt(1 - cosine**2)).astype(np.float32)


@pytest.fixture
def asked(store: Store) -> FaceKey:
    """A face predicted to be Ada's, and six labelled ones that resemble it less and less."""
    key = _picture(store, "asked")
    embedding = store.embeddings_of([key])[key]
    make.add_personas(store, "Ada")
    for number in range(6):
        alike = _picture(store, f"a{number}", embedding=_like(embedding, 0.9 - number / 10, f"x{number}"))
        make.label(store, "ada", alike)
    publish(store, {key: ("ada", 0.9)})
    return key


def test_the_nearest_labelled_faces_explain_a_prediction(store: Store, asked: FaceKey) -> None:
    found = explain(store, asked, "ada")
    assert [item.face.key for item in found.nearest] == [make.key(f"a{number}") for number in range(4)]
    assert [round(item.similarity, 3) for item in found.nearest] == [0.9, 0.8, 0.7, 0.6]
    assert (found.n_compared, found.is_cut) == (6, False)


def test_without_a_name_the_persona_that_the_face_is_taken_for_is_meant(store: Store, asked: FaceKey) -> None:
    assert explain(store, asked) == explain(store, asked, "ada")
    make.add_personas(store, "Bob")
    make.label(store, "bob", asked)
    assert explain(store, asked).persona.persona_id == "bob"


def test_a_face_that_is_taken_for_nobody_has_no_reasons_and_its_reader_is_told_so(
    web: Client, store: Store, asked: FaceKey
) -> None:
    make.label(store, STRANGER, asked)
    for key in (asked, _picture(store, "unknown")):
        response = web.get(reverse("face-why", args=[*key]))
        assert response.status_code == 404
        assert "taken for nobody" in text_of(response)


def test_a_labelled_face_is_not_its_own_reason(store: Store, asked: FaceKey) -> None:
    make.label(store, "ada", asked)
    found = explain(store, asked, "ada")
    assert asked not in [item.face.key for item in found.nearest]
    assert found.n_compared == 6


def test_more_labels_than_are_compared_are_said_to_be_cut(
    store: Store, asked: FaceKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(why, "COMPARED_AT_MOST", 3)
    found = explain(store, asked, "ada")
    assert (found.n_compared, found.is_cut, len(found.nearest)) == (3, True, 3)


def test_a_persona_without_labels_has_no_reasons(web: Client, store: Store, asked: FaceKey) -> None:
    make.add_personas(store, "Bob")
    assert explain(store, asked, "bob").nearest == ()
    page = text_of(web.get(reverse("face-why", args=[*asked]), {"persona": "bob"}))
    assert "no other labelled face" in page


def test_a_face_or_persona_that_is_not_there_has_no_reasons(store: Store, asked: FaceKey) -> None:
    for key, persona_id in ((make.key("asked", 5), "ada"), (make.key("none"), "ada"), (asked, "nobody")):
        with pytest.raises(NotFoundError):
            explain(store, key, persona_id)


def test_why_is_a_page_or_a_part_of_one(web: Client, asked: FaceKey) -> None:
    url, query = reverse("face-why", args=[*asked]), {"persona": "ada"}
    page, part = text_of(web.get(url, query)), text_of(web.get(url, query, headers=HTMX))
    for text in (page, part):
        assert re.findall(r'<span class="muted" aria-hidden="true">(\S+)</span>', text) == [
            "0.90",
            "0.80",
            "0.70",
            "0.60",
        ]
    assert "<h1>Why Ada?</h1>" in page
    assert "<h1>" not in part
    assert url in text_of(web.get(reverse("image", args=[asked.image_id])))
    assert url in text_of(web.get(reverse("persona", args=["ada"])))


# ---- the menu of a face ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("aside", ["ignored", "not_a_face"])
def test_a_predicted_face_is_set_aside_from_its_tile(web: Client, ada: list[FaceKey], store: Store, aside: str) -> None:
    response: Any = send_label(
        web, ada[1], choice=f"belongs:{aside}", view="tile", page_of="ada", tab="predicted", htmx="yes"
    )
    assert response.status_code == 200
    assert store.label_counts([aside])[aside] == (1, 0)
    page = text_of(web.get(reverse("persona", args=["ada"])))
    assert page.count('class="tile tile-predicted"') == 3


def test_a_labelled_face_offers_to_be_the_cover(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = text_of(web.get(reverse("persona", args=["ada"]), {"show": "labelled"}))
    assert "Use as cover" in page
    data = {"command_id": make.command_id(), "face": str(ada[0]), "next": "/personas/ada/?show=labelled"}
    response = web.post(reverse("persona-cover", args=["ada"]), data)
    assert response["Location"] == "/personas/ada/?show=labelled"
    assert store.personas_by_id(["ada"])["ada"].cover == ada[0]
