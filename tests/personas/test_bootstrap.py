"""USERS=bootstrap: one administrator from a secret, whose session outlives the file of users; and the first
administrator that `init` makes elsewhere."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import must_update_salt
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from orchestration import initialise
from personas.api_tokens import UnableToMakeTokenError, make_token
from personas.bootstrap import (
    ONE_ACCOUNT,
    AdminPasswordError,
    UnableToAddAdminError,
    ensure_first_administrator,
    set_administrator,
)
from personas.models import ApiToken
from personas.roles import Role
from personas.services.accounts import UnableToAddUserError, add_user
from personas.store import get_store

pytestmark = pytest.mark.django_db
PASSWORD = "of-the-tests-4711"
HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]


@pytest.fixture
def bootstrap(settings):
    """The product's own hasher: salts are what these tests are about."""
    settings.USERS, settings.ADMIN_PASSWORD = "bootstrap", PASSWORD
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.PASSWORD_HASHERS = HASHERS
    set_administrator(PASSWORD)
    return settings


def signed_in() -> Client:
    visitor = Client()
    answer = visitor.post(reverse("sign-in"), {"username": "admin", "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return visitor


def lets_in(visitor: Client) -> bool:
    return visitor.get(reverse("persona-grid")).status_code == 200


def test_the_session_outlives_the_file_of_users(bootstrap):
    visitor = signed_in()
    User.objects.all().delete()
    assert not lets_in(visitor)
    set_administrator(PASSWORD)
    assert lets_in(visitor)


def test_a_start_with_the_same_password_changes_nothing_that_sessions_are_checked_against(bootstrap):
    before = User.objects.values("pk", "password").get()
    signed_in()  # Django may hash anew what it finds old at sign-in
    set_administrator(PASSWORD)
    assert User.objects.values("pk", "password").get() == before
    assert not must_update_salt(before["password"].split("$")[2], 128)


def test_another_password_ends_sessions(bootstrap):
    visitor = signed_in()
    set_administrator("another-of-the-tests-4711")
    assert not lets_in(visitor)


def test_another_secret_key_ends_sessions_and_salts_anew(bootstrap):
    visitor, before = signed_in(), User.objects.get().password
    bootstrap.SECRET_KEY = "another-key" * 5
    set_administrator(PASSWORD)
    assert not lets_in(visitor)
    assert User.objects.get().password != before


@pytest.mark.parametrize(("password", "said"), [("", "ADMIN_PASSWORD_FILE"), ("tooeasy", "too short")])
def test_a_password_that_is_missing_or_too_easy_is_refused_without_being_told(settings, password, said):
    settings.USERS = "bootstrap"
    with pytest.raises(AdminPasswordError, match=said) as refused:
        set_administrator(password)
    assert not password or password not in str(refused.value)
    assert not User.objects.exists()


def test_nothing_about_users_is_kept_but_the_administrator(bootstrap):
    with pytest.raises(UnableToAddUserError, match="USERS=bootstrap"):
        add_user(name="somebody", role=Role.VIEWER)
    with pytest.raises(UnableToMakeTokenError, match="USERS=bootstrap"):
        make_token(store=get_store(), user=User.objects.get(), name="frame", days=1, at=timezone.now())
    assert not ApiToken.objects.exists()


def test_the_pages_say_so_in_place_of_their_forms(bootstrap):
    visitor, before = signed_in(), User.objects.get().password
    tokens = visitor.get(reverse("api-tokens")).content.decode()
    assert escape(ONE_ACCOUNT) in tokens
    assert 'name="days"' not in tokens
    page = visitor.get(reverse("password")).content.decode()
    assert "change the secret" in page
    assert 'name="new_password1"' not in page
    assert "Change password</a>" not in page
    new = "of-the-form-4711"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert visitor.post(reverse("password"), fields).status_code == 409
    assert User.objects.get().password == before


def test_the_administration_adds_and_changes_no_accounts(bootstrap):
    visitor = signed_in()
    assert visitor.get("/admin/auth/user/").status_code == 200
    assert visitor.get("/admin/auth/user/add/").status_code == 403
    assert visitor.post(f"/admin/auth/user/{User.objects.get().pk}/password/", {}).status_code == 403


# ---- elsewhere: the first administrator ------------------------------------------------------------------------------
def test_init_makes_the_first_administrator_and_leaves_it_alone_later(settings, caplog):
    settings.ADMIN_PASSWORD = PASSWORD
    caplog.set_level("INFO")
    initialise._add_administrator()
    assert User.objects.get(is_superuser=True).check_password(PASSWORD)
    settings.ADMIN_PASSWORD = "another-of-the-tests-4711"
    initialise._add_administrator()
    assert User.objects.get(is_superuser=True).check_password(PASSWORD)
    assert PASSWORD not in caplog.text


def test_init_makes_nobody_without_a_password_or_where_the_web_does(settings):
    initialise._add_administrator()
    settings.USERS, settings.ADMIN_PASSWORD = "bootstrap", PASSWORD
    initialise._add_administrator()
    assert not User.objects.exists()


def test_where_somebody_is_superuser_nobody_else_becomes_one():
    User.objects.create_superuser("owner")
    assert not ensure_first_administrator(PASSWORD)


def test_somebody_who_has_the_name_is_not_made_superuser():
    User.objects.create_user("admin")
    with pytest.raises(UnableToAddAdminError, match="createsuperuser"):
        ensure_first_administrator(PASSWORD)
