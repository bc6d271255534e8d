"""Tokens of the API: the page, the command, and that only hashes are kept."""

from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from personas import sign_in
from personas.api_tokens import UnableToMakeTokenError, make_token, redeem
from personas.models import ApiToken
from personas.store import get_store
from tests.api import token_of, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return user_with()


@pytest.fixture
def web(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def make(web: Client, **fields: object) -> str:
    return web.post(reverse("api-tokens"), {"name": "frame", "days": 90, **fields}).content.decode()


def test_a_token_is_shown_once_and_only_its_hash_is_kept(web: Client, user: User) -> None:
    page = make(web)
    (token,) = set(re.findall(r"fp_[\w-]{43}", page))
    assert token not in web.get(reverse("api-tokens")).content.decode()
    kept = ApiToken.objects.get()
    assert token not in " ".join(str(value) for value in vars(kept).values())
    assert (kept.name, kept.user) == ("frame", user)
    assert redeem(token, at=timezone.now()) == user


def test_the_page_of_a_token_is_kept_nowhere(web: Client) -> None:
    response = web.post(reverse("api-tokens"), {"name": "frame", "days": 30})
    assert "no-store" in response.headers["Cache-Control"]


def test_a_token_holds_as_long_as_was_chosen(web: Client) -> None:
    make(web, name="month", days=30)
    make(web, name="ever", days=0)
    month, ever = ApiToken.objects.get(name="month"), ApiToken.objects.get(name="ever")
    assert month.expires_at is not None
    assert (month.expires_at - month.created_at).days == 30
    assert ever.expires_at is None


def test_a_token_that_was_revoked_opens_nothing(web: Client, user: User) -> None:
    token = token_of(user)
    response = web.post(reverse("api-token-revoke", args=[ApiToken.objects.get().pk]))
    assert response.status_code == 303
    assert redeem(token, at=timezone.now()) is None


def test_nobody_sees_or_revokes_the_tokens_of_others(web: Client) -> None:
    token = token_of(user_with(name="somebody"), name="theirs")
    assert "theirs" not in web.get(reverse("api-tokens")).content.decode()
    assert web.post(reverse("api-token-revoke", args=[ApiToken.objects.get().pk])).status_code == 404
    assert redeem(token, at=timezone.now()) is not None


@pytest.mark.parametrize("name", ["frame", " frame ", "x" * 61, "a\x07b"])
def test_a_token_that_cannot_be_made_says_why(web: Client, user: User, name: str) -> None:
    token_of(user, name="frame")
    page = make(web, name=name)
    assert 'role="alert"' in page
    assert "fp_" not in page
    assert ApiToken.objects.count() == 1


def test_two_users_may_use_one_name() -> None:
    for name in ("ada", "bob"):
        token_of(user_with(name=name), name="frame")
    assert ApiToken.objects.count() == 2


@pytest.mark.parametrize("days", [0, -1, 4000])
def test_a_token_holds_neither_no_time_nor_decades(user: User, days: int) -> None:
    with pytest.raises(UnableToMakeTokenError, match="3650 days"):
        make_token(store=get_store(), user=user, name="frame", days=days, at=timezone.now())


def test_making_and_revoking_is_in_the_audit_log(web: Client, user: User) -> None:
    token_of(user)
    web.post(reverse("api-token-revoke", args=[ApiToken.objects.get().pk]))
    assert [(entry.action, entry.actor) for entry in get_store().audits().items] == [
        ("api token revoked", "grace"),
        ("api token made", "grace"),
    ]


@pytest.mark.parametrize("name", ["api-tokens", "api-token-revoke"])
def test_tokens_ask_for_a_sign_in(client: Client, name: str) -> None:
    response = client.post(reverse(name, args=[1] if name.endswith("revoke") else []))
    assert response.headers["Location"].startswith(reverse("sign-in"))


# ---- the command -----------------------------------------------------------------------------------------------------
def test_the_command_prints_a_token_and_nothing_else() -> None:
    owner = sign_in.ensure_owner()
    out = StringIO()
    call_command("api_token", "owner", stdout=out)
    assert redeem(out.getvalue().strip(), at=timezone.now()) == owner
    assert ApiToken.objects.get().expires_at is not None


def test_the_command_speaks_json(user: User) -> None:
    out = StringIO()
    call_command("api_token", "grace", "--name", "backup", "--days", "0", "--json", stdout=out)
    said = json.loads(out.getvalue())
    assert (said["user"], said["name"]) == ("grace", "backup")
    assert ApiToken.objects.get().expires_at is None


def test_the_command_says_that_there_is_no_such_user() -> None:
    with pytest.raises(CommandError, match="createsuperuser"):
        call_command("api_token", "nobody")


def test_who_is_switched_off_gets_no_token(user: User) -> None:
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="switched off"):
        call_command("api_token", "grace")
