"""Finding a person by name, as it is typed."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from personas.entities import FaceKey
from personas.store.base import Store
from tests import factories as make
from tests.web import text_of

pytestmark = pytest.mark.django_db


def _names(web: Client, typed: str) -> list[str]:
    page = text_of(web.get(reverse("persona-matches"), {"q": typed}))
    return re.findall(r'class="match-name">([^<]+)<', page)


def test_matches_come_by_name_with_cover_and_counts(web: Client, ada: list[FaceKey], web_store: Store) -> None:
    make.add_personas(web_store, "Adam", "Grace")
    assert _names(web, "ad") == ["Ada", "Adam"]
    page = text_of(web.get(reverse("persona-matches"), {"q": "ada"}))
    assert f"/faces/{ada[0].image_id}/0/96.jpg" in page
    assert re.search(r"1 labelled · <b>4 predicted</b>", page)
    assert f'href="{reverse("persona", args=["ada"])}"' in page


def test_an_empty_field_matches_nobody_and_an_unknown_name_says_so(web: Client, ada: list[FaceKey]) -> None:
    assert text_of(web.get(reverse("persona-matches"), {"q": "  "})).strip() == ""
    assert "Nobody of that name" in text_of(web.get(reverse("persona-matches"), {"q": "zoe"}))


def test_a_common_name_lists_a_few(web: Client, web_store: Store) -> None:
    make.add_personas(web_store, *(f"Ada {number}" for number in range(12)))
    assert len(_names(web, "ada")) == 8


def test_hidden_people_are_not_suggested(web: Client, ada: list[FaceKey]) -> None:
    web.post(reverse("persona-hide", args=["ada"]), {"command_id": make.command_id(), "hidden": "1"})
    assert _names(web, "ada") == []
