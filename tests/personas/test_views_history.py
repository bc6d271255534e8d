"""The history of what people did, and what curators do."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from personas.entities import FaceKey, Verdict
from personas.services.labelling import label_groups
from personas.store.base import Store
from tests import factories
from tests.web import send_label, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


def act(client: Client, route: str, *args: str, **fields: str) -> str:
    """Carry out a command; returns the page it leads to."""
    data = {"command_id": factories.command_id(), **fields}
    return text_of(client.post(reverse(route, args=args), data, follow=True))


def toggle(client: Client, page: str) -> str:
    """Press the first undo or redo button of a page."""
    token = re.search(r'name="undo" value="([^"]+)"', page)
    assert token, "the page offers no undo"
    return text_of(client.post(reverse("undo"), {"undo": token[1], "next": reverse("history")}, follow=True))


def test_the_history_says_who_did_what_and_takes_it_back(web: Client, ada: list[FaceKey], store: Store) -> None:
    send_label(web, ada[1], choice="rejected:ada")
    page = text_of(web.get(reverse("history")))
    assert "1 face" in page
    assert "said not to be" in page
    assert "owner" in page
    toggle(web, page)
    assert store.label_counts(["ada"])["ada"] == (1, 0)
    page = text_of(web.get(reverse("history")))
    assert "Took back: labels" in page
    assert "taken back" in page
    toggle(web, page)
    assert store.label_counts(["ada"])["ada"] == (1, 1)


def test_an_empty_history_says_what_to_do(web: Client, store: Store) -> None:
    assert "Nothing has been said yet" in text_of(web.get(reverse("history")))


def test_a_person_is_merged_by_name_and_comes_apart(web: Client, ada: list[FaceKey], store: Store) -> None:
    factories.add_personas(store, "Bob")
    page = act(web, "persona-merge", "ada", name="bob")
    assert "Merged into Bob." in page
    assert store.label_counts(["ada", "bob"]) == {"ada": (0, 0), "bob": (1, 0)}
    toggle(web, page)
    assert store.label_counts(["ada", "bob"]) == {"ada": (1, 0), "bob": (0, 0)}
    assert "Merged <strong>Ada</strong> into <strong>Bob</strong>" in text_of(web.get(reverse("history")))


def test_two_people_of_one_name_are_merged_by_it(web: Client, ada: list[FaceKey], store: Store) -> None:
    factories.add_personas(store, "Bob")
    act(web, "persona-rename", "bob", name="Ada")
    assert "Merged into Ada." in act(web, "persona-merge", "bob", name="Ada")
    assert store.label_counts(["ada"]) == {"ada": (1, 0)}


def test_the_history_tells_what_changed_of_whom(web: Client, ada: list[FaceKey], store: Store) -> None:
    factories.add_personas(store, "Bob")
    label_groups(
        store=store,
        groups={("ada", Verdict.BELONGS): ada[1:3], ("bob", Verdict.BELONGS): ada[3:4]},
        actor="t",
        at=factories.NOW,
        command_id=factories.command_id(),
    )
    act(web, "persona-rename", "bob", name="Bobby")
    act(web, "persona-hide", "bob", hidden="true")
    toggle(web, act(web, "image-delete", ada[5].image_id))
    page = " ".join(re.sub(r"<[^>]+>", "", text_of(web.get(reverse("history")))).split())
    assert "3 faces marked as Ada and 1 other" in page
    assert "Renamed Bob to Bobby" in page
    assert "Hid Bobby" in page
    assert "went back" not in page  # of a picture, how many records came back says nothing to anybody


def test_a_merge_with_nobody_says_so(web: Client, ada: list[FaceKey]) -> None:
    assert "Nobody is called Zoe" in act(web, "persona-merge", "ada", name="Zoe")


def test_a_hidden_person_leaves_the_grid_but_not_the_product(web: Client, ada: list[FaceKey]) -> None:
    assert "Hidden from the grid" in act(web, "persona-hide", "ada", hidden="1")
    grid, hidden = (text_of(web.get(reverse("persona-grid") + query)) for query in ("", "?show=hidden"))
    assert reverse("persona", args=["ada"]) not in grid
    assert "1 hidden" in grid
    assert reverse("persona", args=["ada"]) in hidden
    act(web, "persona-hide", "ada")
    assert reverse("persona", args=["ada"]) in text_of(web.get(reverse("persona-grid")))


def test_a_person_is_deleted_and_comes_back(web: Client, ada: list[FaceKey], store: Store) -> None:
    page = act(web, "persona-delete", "ada")
    assert "1 face is unlabelled again" in page
    assert store.personas_by_id(["ada"]) == {}
    toggle(web, page)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_a_deleted_picture_is_shown_nowhere_until_it_comes_back(web: Client, ada: list[FaceKey]) -> None:
    image_id = ada[1].image_id
    addresses = [
        reverse("image", args=[image_id]),
        reverse("image-preview", args=[image_id, 320]),
        reverse("image-original", args=[image_id]),
        reverse("face-crop", args=[image_id, 0, 96]),
    ]
    assert [web.get(address).status_code for address in addresses] == [200] * 4
    page = act(web, "image-delete", image_id)
    assert [web.get(address).status_code for address in addresses] == [404] * 4
    assert image_id not in text_of(web.get(reverse("images")))
    assert image_id not in text_of(web.get(reverse("persona", args=["ada"])))
    toggle(web, page)
    assert [web.get(address).status_code for address in addresses] == [200] * 4


def test_only_curators_merge_delete_and_take_that_back(client: Client, ada: list[FaceKey], store: Store) -> None:
    user = User.objects.create_user("labeller")
    user.user_permissions.add(Permission.objects.get(codename="add_label"))
    client.force_login(user)
    data = {"command_id": factories.command_id(), "name": "Ada"}
    for name, argument in (("persona-merge", "ada"), ("persona-delete", "ada"), ("image-delete", ada[0].image_id)):
        response = client.post(reverse(name, args=[argument]), data)
        assert response.status_code == 403, name
        assert "curator role" in text_of(response)
    user.user_permissions.add(Permission.objects.get(codename="delete_persona"))
    act(client, "persona-delete", "ada", command_id=data["command_id"])
    user.user_permissions.remove(Permission.objects.get(codename="delete_persona"))
    assert client.post(reverse("undo"), {"undo": data["command_id"]}).status_code == 403
    assert "Undo" not in text_of(client.get(reverse("history"))).split('class="history"')[1].split("</li>")[0]
    assert store.personas_by_id(["ada"]) == {}


def test_what_the_version_says_of_a_deleted_person_is_not_shown(web: Client, ada: list[FaceKey]) -> None:
    assert "Ada" in text_of(web.get(reverse("image", args=[ada[1].image_id])))
    act(web, "persona-delete", "ada")
    web.get(reverse("persona-grid"))  # the toast that names her
    page = text_of(web.get(reverse("image", args=[ada[1].image_id])))
    assert "Ada" not in page
    assert "(deleted)" not in page
