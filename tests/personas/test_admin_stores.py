"""The administration reads and writes through the store port: the same pages on either store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse

import personas.store
from personas import sign_in
from personas.entities import FaceKey, JobStatus, JobWish, Verdict
from personas.services.curation import delete_images
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, champions, publish

pytestmark = pytest.mark.django_db
MODELS = ("persona", "face", "label", "image", "event", "modelversion", "job")


@pytest.fixture(params=["sql", "cassandra"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "cassandra":
        opened = request.getfixturevalue("cassandra_store")
        monkeypatch.setattr(personas.store, "open_store", lambda name: opened)
    get_store.cache_clear()
    with champions():
        yield get_store()
    get_store.cache_clear()


@pytest.fixture
def web(client: Client) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


@pytest.fixture
def ada(store: Store) -> list[FaceKey]:
    """Ada has one labelled face of six and four predicted ones; and there is a job."""
    keys = add_pictures(store, 6)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, "ada", keys[0])
    publish(store, dict.fromkeys(keys[1:5], ("ada", 0.9)))
    store.put_job(factories.job("0b1c-a-job", status=JobStatus.RUNNING, total=10, done=4))
    return keys


def listed(web: Client, model: str, **query: str) -> list[str]:
    """Addresses of the rows of a list, in its order."""
    page = web.get(f"{reverse(f'admin:personas_{model}_changelist')}?{urlencode(query)}")
    assert page.status_code == 200
    return re.findall(r'<th scope="row"><a href="([^"]+)"', page.content.decode())


@pytest.mark.parametrize("model", MODELS)
def test_every_list_leads_to_the_pages_of_its_rows(web: Client, ada: list[FaceKey], model: str) -> None:
    rows = listed(web, model)
    assert rows
    assert [web.get(row).status_code for row in rows] == [200] * len(rows)


def test_a_deleted_picture_is_listed_no_more(web: Client, ada: list[FaceKey], store: Store) -> None:
    command = {"actor": "tester", "at": factories.NOW, "command_id": factories.command_id()}
    delete_images(store=store, image_ids=[ada[1].image_id], **command)
    assert len(listed(web, "image")) == 5
    assert listed(web, "image", q=ada[1].image_id) == []


@pytest.mark.parametrize(
    ("model", "wanted", "count"),
    [
        ("persona", "bo", 1),
        ("image", "picture-3.jpg", 1),
        ("image", "picture", 0),
        ("face", "picture-3.jpg", 1),
        ("face", factories.image_id("picture-3"), 1),
        ("face", factories.image_id("somewhere else"), 0),
        ("label", "picture-3.jpg", 2),
        ("modelversion", "1", 1),
        ("modelversion", "7", 0),
        ("modelversion", "newest", 0),
        ("event", "3", 3),
        ("job", "0b1c", 1),
        ("job", "ffff", 0),
    ],
)
def test_lists_are_searched(web: Client, ada: list[FaceKey], store: Store, model: str, wanted: str, count: int) -> None:
    factories.label(store, "bob", factories.key("picture-3"))
    factories.label(store, "ada", factories.key("picture-3"), verdict=Verdict.REJECTED)
    assert len(listed(web, model, q=wanted)) == count


def test_a_search_among_faces_keeps_to_the_filters(web: Client, ada: list[FaceKey]) -> None:
    path = next(f"picture-{number}.jpg" for number in range(6) if factories.key(f"picture-{number}") == ada[1])
    assert len(listed(web, "face", q=path, status="predicted", persona="ada")) == 1
    assert listed(web, "face", q=path, status="unknown") == []
    assert listed(web, "face", q=path, persona="bob") == []


def test_faces_are_labelled_in_a_list(web: Client, ada: list[FaceKey], store: Store) -> None:
    form = {"action": "confirm", "_selected": [str(ada[1]), str(ada[2])], "command_id": factories.command_id()}
    web.post(reverse("admin:personas_face_changelist"), form)
    assert store.label_counts(["ada"])["ada"] == (3, 0)


def test_a_job_is_paused_and_resumed_on_its_page(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = listed(web, "job", show="unfinished")[0]
    for action, wish in (("pause", JobWish.PAUSE), ("resume", JobWish.NONE)):
        assert web.post(page, {"action": action}).status_code == 302
        job = store.job("0b1c-a-job")
        assert job is not None
        assert job.wish is wish


def test_what_has_no_actions_takes_no_form(web: Client, ada: list[FaceKey], store: Store) -> None:
    for row in (*listed(web, "event"), *listed(web, "image"), reverse("admin:personas_event_changelist")):
        assert web.post(row, {"action": "clear"}).status_code == 405


def test_what_is_only_looked_at_is_offered_for_looking(web: Client, ada: list[FaceKey]) -> None:
    page = web.get(reverse("admin:index")).content.decode()
    offers = {model: re.search(rf'"/admin/personas/{model}/" class="(\w+)"', page) for model in MODELS}
    assert {model for model, found in offers.items() if found and found[1] == "viewlink"} == {"event", "image"}
    assert all(offers.values())


def test_an_action_that_a_page_does_not_have_is_told_apart_from_one_that_is_forbidden(
    web: Client, ada: list[FaceKey]
) -> None:
    assert web.post(reverse("admin:personas_face_changelist"), {"action": "explode"}).status_code == 422
