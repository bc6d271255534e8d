"""The pages of model versions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from personas import sign_in
from personas.entities import FaceKey, VersionStatus
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, champions, publish

pytestmark = pytest.mark.django_db

ADA = "6f2f5c1e-9d6c-5b0a-8a54-3c5b8f6a7d11"


@pytest.fixture
def store() -> Iterator[Store]:
    with champions():
        yield get_store()


@pytest.fixture
def web(client: Client) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


@pytest.fixture
def versions(store: Store) -> list[FaceKey]:
    """Version 1 is in use; version 2 was refused and speaks of Ada."""
    keys = add_pictures(store, 2)
    store.record("labels", [factories.persona_added(ADA, "Ada Lovelace"), factories.persona_added("bob", "Bob")])
    factories.label(store, ADA, *keys)
    publish(store, {})
    metrics = {
        "n": 20,
        "n_strangers": 40,
        "macro_f1": 0.9,
        "recall": 0.95,
        "strangers_named": None,
        "calibration_error": 0.021,
        "brier": 0.01,
        "per_persona": {ADA: {"n": 20, "recall": 0.95, "precision": 1.0, "f1": 0.97}},
        "reliability": [{"n": 5, "probability": 0.3, "right": 0.2}, {"n": 5, "probability": 0.9, "right": 1.0}],
        "curve": [{"probability": 0.5, "recall": 0.9, "strangers_named": 0.1}],
        "contradictions": [
            {"face": str(keys[0]), "labelled": ADA, "looks_like": "bob", "probability": 0.99},
            {"face": str(keys[1]), "labelled": "bob", "looks_like": ADA, "probability": 0.9},
        ],
    }
    store.add_model_version(
        factories.model_version(
            status=VersionStatus.REFUSED, metrics=metrics, reasons=(f"Some labels of {ADA} are probably swapped.",)
        )
    )
    return keys


def test_versions_are_listed_with_names_for_ids(web: Client, versions: list[FaceKey]) -> None:
    page = web.get(reverse("models")).content.decode()
    assert "In use" in page
    assert "Some labels of Ada Lovelace are probably swapped." in page
    assert ADA not in page


def test_nothing_learned_says_what_to_do_next(web: Client, store: Store) -> None:
    assert "first label" in web.get(reverse("models")).content.decode()


def test_a_version_shows_metrics_people_and_doubtful_labels_that_still_stand(
    web: Client, versions: list[FaceKey]
) -> None:
    page = web.get(reverse("model-version", args=[2])).content.decode()
    assert "95.0 %" in page
    assert "<polyline" in page
    assert page.count("looks like") == 2  # alternative text and words of the one label that was not corrected
    assert "Use this version" in page


def test_a_version_that_is_not_there_is_a_friendly_page(web: Client, store: Store) -> None:
    assert web.get(reverse("model-version", args=[7])).status_code == 404


def test_promoting_the_champion_is_refused_in_words(web: Client, versions: list[FaceKey]) -> None:
    response = web.post(reverse("model-promote", args=[1]), follow=True)
    assert response.redirect_chain == [(reverse("models"), 303)]
    page = response.content.decode()
    assert "champion already" in page
    assert 'class="toast toast-failed" role="alert"' in page


def test_rolling_back_without_an_earlier_version_is_refused_in_words(web: Client, versions: list[FaceKey]) -> None:
    page = web.post(reverse("models-rollback"), follow=True).content.decode()
    assert "no version before 1" in page


@pytest.mark.parametrize(("name", "arguments"), [("models-rollback", []), ("model-promote", [1])])
def test_a_switch_asked_on_a_page_that_showed_another_champion_is_not_made(
    web: Client, versions: list[FaceKey], store: Store, name: str, arguments: list[int]
) -> None:
    shown = web.get(reverse("models")).content.decode()
    assert set(re.findall(r'name="champion" value="([^"]*)"', shown)) == {"1"}
    publish(store, {})  # version 3, which the trainer put in use meanwhile
    assert 'name="champion" value="3"' in web.get(reverse("model-version", args=[2])).content.decode()
    page = web.post(reverse(name, args=arguments), {"champion": "1"}, follow=True).content.decode()
    assert "Version 3 has become champion since" in page
    champion = store.champion()
    assert champion is not None
    assert champion.version == 3


def test_switches_are_made_by_post_only(web: Client, versions: list[FaceKey]) -> None:
    assert web.get(reverse("model-promote", args=[2])).status_code == 405
    assert web.get(reverse("models-rollback")).status_code == 405
