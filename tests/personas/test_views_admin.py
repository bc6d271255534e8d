"""The administration over the store port."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from personas.entities import LABELS, FaceKey, Slice
from personas.store import get_store
from personas.store.base import Store
from personas.store_admin import Row, StoreAdmin
from tests import factories
from tests.web import add_pictures, publish

pytestmark = pytest.mark.django_db

MODELS = ("persona", "face", "label", "image", "event", "modelversion")


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


@pytest.fixture
def ada(store: Store) -> list[FaceKey]:
    """Ada has one labelled face of six and four predicted ones; the last face is unknown."""
    keys = add_pictures(store, 6)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, "ada", keys[0])
    publish(store, {key: ("ada", 0.9 - number / 10) for number, key in enumerate(keys[1:5])})
    return keys


def _list_url(model: str) -> str:
    return reverse(f"admin:personas_{model}_changelist")


def _act(web: Client, action: str, *faces: FaceKey, **fields: str) -> str:
    data = {"action": action, "_selected": [str(face) for face in faces], **fields}
    return web.post(_list_url("face"), data, follow=True).content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_lists_objects_and_histories_are_shown(web: Client, ada: list[FaceKey], model: str) -> None:
    page = web.get(_list_url(model)).content.decode()
    first = re.search(r'<th scope="row"><a href="([^"]+)"', page)
    assert first
    details = web.get(first[1])
    assert details.status_code == 200
    history = re.search(r'href="([^"]+/history/)"', details.content.decode())
    assert history
    assert web.get(history[1]).status_code == 200


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", range(6)),
        ("status=predicted", range(1, 5)),
        ("status=unknown", [5]),
        ("status=labelled", [0]),
        ("persona=ada&status=predicted", range(1, 5)),
        ("persona=ada&status=labelled", [0]),
        ("persona=bob", []),
    ],
)
def test_faces_are_filtered_by_person_and_status(web: Client, ada: list[FaceKey], query: str, shown: list[int]) -> None:
    page = web.get(f"{_list_url('face')}?{query}").content.decode()
    assert re.findall(r'name="_selected" value="([^"]+)"', page) == [str(ada[number]) for number in shown]


def test_confirming_predicted_faces_labels_them_and_is_logged(web: Client, ada: list[FaceKey], store: Store) -> None:
    assert "2 of 3 faces changed" in _act(web, "confirm", ada[1], ada[2], ada[5])
    assert store.label_counts(["ada"])["ada"] == (3, 0)
    assert LogEntry.objects.count() == 2


def test_rejecting_and_taking_back(web: Client, ada: list[FaceKey], store: Store) -> None:
    _act(web, "reject", ada[0], ada[1])
    assert store.label_counts(["ada"])["ada"] == (0, 2)
    _act(web, "label", ada[0], persona="bob")
    _act(web, "clear", ada[0])
    assert store.label_counts(["bob"])["bob"] == (0, 0)


def test_labelling_needs_a_person(web: Client, ada: list[FaceKey]) -> None:
    assert "Pick the person first" in _act(web, "label", ada[5])


def test_a_label_is_taken_back_on_its_page(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = web.get(_list_url("label") + "?persona=ada").content.decode()
    url = re.search(r'<th scope="row"><a href="([^"]+)"', page)
    assert url
    assert web.post(url[1], {"action": "clear"})["Location"] == _list_url("label")
    assert store.label_counts(["ada"])["ada"] == (0, 0)


def test_a_persona_is_added_and_renamed(web: Client, store: Store) -> None:
    command = factories.command_id()
    added = web.post(reverse("admin:personas_persona_add"), {"name": "Grace", "command_id": command})
    web.post(added["Location"], {"action": "rename", "name": "Grace Hopper", "command_id": factories.command_id()})
    assert [persona.name for persona in store.personas().items] == ["Grace Hopper"]
    assert LogEntry.objects.count() == 2


def test_who_may_only_look_may_not_act(client: Client, ada: list[FaceKey], store: Store) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_face"))
    client.force_login(user)
    assert "Confirm what is predicted" not in client.get(_list_url("face")).content.decode()
    response = client.post(_list_url("face"), {"action": "confirm", "_selected": [str(ada[1])]})
    assert response.status_code == 403
    assert client.get(_list_url("label")).status_code == 403
    assert store.label_counts(["ada"])["ada"] == (1, 0)


@pytest.mark.parametrize("model", MODELS)
def test_an_object_that_is_not_there_is_a_friendly_page(web: Client, store: Store, model: str) -> None:
    assert web.get(reverse(f"admin:personas_{model}_change", args=["none"])).status_code == 404


def test_labelling_here_asks_for_the_permission_of_labelling_anywhere(
    client: Client, ada: list[FaceKey], store: Store
) -> None:
    user = User.objects.create_user("clerk", is_staff=True)
    changes = ("change_face", "change_label", "change_persona", "change_modelversion")
    user.user_permissions.set(Permission.objects.filter(codename__in=changes))
    client.force_login(user)
    face, label, persona = (
        "admin:personas_face_change",
        "admin:personas_label_change",
        "admin:personas_persona_change",
    )
    forms = [
        (_list_url("face"), {"action": "confirm", "_selected": [str(ada[1])]}),
        (reverse(face, args=[str(ada[1])]), {"action": "confirm"}),
        (reverse(label, args=[f"{ada[0]}:ada"]), {"action": "clear"}),
        (reverse(persona, args=["ada"]), {"action": "rename", "name": "Eve"}),
    ]
    for url, form in forms:
        assert client.get(url).status_code == 200
        assert client.post(url, {**form, "command_id": factories.command_id()}).status_code == 403
    assert store.label_counts(["ada"])["ada"] == (1, 0)
    user.user_permissions.add(Permission.objects.get(codename="add_label"))
    for url, form in forms:
        assert client.post(url, {**form, "command_id": factories.command_id()}).status_code == 302
    assert store.personas_by_id(["ada"])["ada"].name == "Eve"


def test_promoting_here_asks_for_the_permission_of_promoting_anywhere(client: Client, ada: list[FaceKey]) -> None:
    user = User.objects.create_user("clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_modelversion", "add_label"]))
    client.force_login(user)
    publish(get_store(), {})
    url = reverse("admin:personas_modelversion_change", args=["1"])
    assert "Use this version" not in client.get(url).content.decode()
    assert client.post(url, {"action": "promote"}).status_code == 403


def test_a_form_sent_twice_labels_once_however_many_people_it_speaks_of(
    web: Client, ada: list[FaceKey], store: Store
) -> None:
    publish(store, {ada[1]: ("ada", 0.9), ada[2]: ("bob", 0.8)})
    before = store.head(LABELS)
    command = factories.command_id()
    for _ in range(2):
        _act(web, "confirm", ada[1], ada[2], command_id=command)
    assert store.label_counts(["ada", "bob"]) == {"ada": (2, 0), "bob": (1, 0)}
    events = store.events(LABELS, after=before)
    assert [(event.command_id, event.payload["persona_id"]) for event in events] == [(command, "ada"), (command, "bob")]


def test_numbers_of_thousands_of_digits_name_nothing(web: Client, ada: list[FaceKey]) -> None:
    digits = "9" * 5000
    assert web.get(_list_url("event"), {"cursor": digits}).status_code == 404
    assert web.get(_list_url("event"), {"cursor": digits[:400]}).status_code == 200
    assert web.get(reverse("admin:personas_event_change", args=[f"labels:{digits}"])).status_code == 404
    assert web.get(reverse("admin:personas_modelversion_change", args=[digits])).status_code == 404


def test_an_admin_that_does_not_say_how_it_reads_cannot_be_made() -> None:
    class Unfinished(StoreAdmin):
        def rows(self, store: Store, request: HttpRequest, cursor: str | None) -> Slice[Row]:
            return Slice(items=(), next_cursor=None)

    with pytest.raises(TypeError, match="abstract method"):
        Unfinished(User, site)  # type: ignore[abstract]
