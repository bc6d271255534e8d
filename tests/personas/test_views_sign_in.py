"""Who may see what, and how one signs in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from personas import sign_in
from personas.entities import FaceKey
from personas.models import OneTimeLink
from personas.store.base import Store
from tests.web import HTMX, send_label, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(web_store: Store) -> Store:
    return web_store


# ---- who may see what ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["persona-grid", "images", "strangers", "unknown", "upload", "models", "learning"])
def test_every_page_asks_for_a_sign_in(client: Client, name: str) -> None:
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sign-in"))


@pytest.mark.parametrize("name", ["face-crop", "image-preview", "image-original"])
def test_pictures_ask_for_a_sign_in(client: Client, ada: list[FaceKey], name: str) -> None:
    arguments = {"face-crop": [*ada[0], 96], "image-preview": [ada[0].image_id, 320]}.get(name, [ada[0].image_id])
    assert client.get(reverse(name, args=arguments)).status_code == 302


@pytest.mark.parametrize("name", ["healthz", "readyz"])
def test_health_asks_for_nothing(client: Client, store: Store, name: str) -> None:
    assert client.get(reverse(name)).json()["status"] == "ok"


def test_a_viewer_sees_but_may_not_label(client: Client, ada: list[FaceKey], store: Store) -> None:
    client.force_login(User.objects.create_user("viewer"))
    page = text_of(client.get(reverse("persona", args=["ada"])))
    assert "belongs:ada" not in page
    response = send_label(client, ada[1], choice="belongs:ada")
    assert response.status_code == 403  # type: ignore[attr-defined]
    assert "labeller role" in text_of(response)
    assert store.label_counts(["ada"])["ada"] == (1, 0)


def test_a_labeller_may_label_but_not_promote(client: Client, ada: list[FaceKey], store: Store) -> None:
    user = User.objects.create_user("labeller")
    user.user_permissions.add(Permission.objects.get(codename="add_label"))
    client.force_login(user)
    assert send_label(client, ada[1], choice="belongs:ada").status_code == 303  # type: ignore[attr-defined]
    assert client.post(reverse("model-promote", args=[1])).status_code == 403


# ---- signing in ------------------------------------------------------------------------------------------------------
def test_a_one_time_link_signs_in_once(client: Client, db: None) -> None:
    link = sign_in.one_time_link("http://testserver")
    assert client.get(link)["Location"] == reverse("persona-grid")
    assert client.session["_auth_user_id"]
    client.logout()
    assert client.get(link).status_code == 410


def test_a_one_time_link_grows_stale(client: Client, db: None) -> None:
    link = sign_in.one_time_link("http://testserver")
    OneTimeLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(link).status_code == 410


@pytest.mark.parametrize(
    "headers",
    [{"REMOTE_ADDR": "192.0.2.7"}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, {"HTTP_FORWARDED": "for=192.0.2.7"}],
)
def test_a_one_time_link_works_on_this_machine_only(client: Client, db: None, headers: dict[str, str]) -> None:
    link = sign_in.one_time_link("http://testserver")
    assert client.get(link, **headers).status_code == 404  # type: ignore[arg-type]
    assert client.get(link).status_code == 302


def test_the_tokens_of_links_are_not_kept(db: None) -> None:
    token = sign_in.one_time_link("http://testserver").rpartition("/")[2]
    assert token not in OneTimeLink.objects.get().token_hash


def test_signing_in_with_a_password(client: Client, db: None) -> None:
    User.objects.create_user("grace", password="a long enough secret")
    response = client.post(reverse("sign-in"), {"username": "grace", "password": "a long enough secret"})
    assert response["Location"] == reverse("persona-grid")
    assert client.post(reverse("sign-out"))["Location"] == reverse("sign-in")


def test_a_partial_of_an_ended_session_loads_the_sign_in_page(client: Client, db: None) -> None:
    response = client.get(reverse("sign-in"), headers={**HTMX, "HX-Current-URL": "http://testserver/personas/ada/"})
    assert response["HX-Redirect"].startswith(reverse("sign-in"))


def test_a_new_sign_in_link_can_be_printed(client: Client, db: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sign_in_link", "--url", "http://testserver")
    assert client.get(capsys.readouterr().out.strip()).status_code == 302


def test_asking_for_the_head_of_a_page_spends_no_link(client: Client, db: None) -> None:
    link = sign_in.one_time_link("http://testserver")
    assert client.head(link).status_code == 405
    assert client.get(link).status_code == 302
    assert client.head(reverse("persona-grid")).status_code == 200
