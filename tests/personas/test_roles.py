"""Roles: what they hold, who gives them, and that nobody raises their own."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from personas import permissions
from personas.roles import Role, ensure_roles, permissions_of
from personas.services.accounts import UnableToAddUserError, add_user

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough secret"


def user_of(role: Role, name: str = "") -> User:
    return User.objects.get(username=add_user(name=name or role.value, role=role).name)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def change(client: Client, account: User, **fields: object) -> int:
    """Send the administration's form for an account, as it stands but for `fields`; returns the answer's status."""
    form = {
        "username": account.username,
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
        "is_active": "on",
        "groups": [str(group.pk) for group in account.groups.all()],
        **({"is_staff": "on"} if account.is_staff else {}),
        **fields,
    }
    answer = client.post(reverse("admin:auth_user_change", args=[account.pk]), form)
    if answer.status_code == 200:
        assert not answer.context["adminform"].form.errors, answer.context["adminform"].form.errors
    return answer.status_code


# ---- what roles hold -------------------------------------------------------------------------------------------------
def test_migrating_brings_the_roles_each_with_the_rights_of_those_below() -> None:
    held = {
        role: {f"{each.content_type.app_label}.{each.codename}" for each in group.permissions.all()}
        for role in Role
        for group in [Group.objects.get(name=role)]
    }
    assert held == {role: permissions_of(role) for role in Role}
    assert held[Role.VIEWER] < held[Role.LABELLER] < held[Role.CURATOR] < held[Role.ADMIN]


def test_migrating_again_gives_a_role_what_somebody_took_from_it_and_takes_what_somebody_added() -> None:
    group = Group.objects.get(name=Role.LABELLER)
    group.permissions.set(Permission.objects.filter(codename="delete_user"))
    ensure_roles()
    assert {each.codename for each in group.permissions.all()} == {
        name.partition(".")[2] for name in permissions_of(Role.LABELLER)
    }


@pytest.mark.parametrize(
    ("permission", "least"),
    [
        (permissions.can_label, Role.LABELLER),
        (permissions.can_upload, Role.LABELLER),
        (permissions.can_curate, Role.CURATOR),
        (permissions.can_manage, Role.CURATOR),
        (permissions.can_administer, Role.ADMIN),
    ],
)
def test_each_permission_begins_at_a_role_and_ends_with_the_account(
    permission: permissions.Permission, least: Role
) -> None:
    roles = list(Role)
    for role in roles:
        assert permission(user_of(role)) is (roles.index(role) >= roles.index(least))
    assert not permission(AnonymousUser())
    assert permission(User.objects.create_superuser("root"))
    assert not permission(User.objects.create_superuser("gone", is_active=False))


# ---- add_user --------------------------------------------------------------------------------------------------------
def test_a_user_is_added_by_command_with_a_password_that_signs_in() -> None:
    out = io.StringIO()
    call_command("add_user", "grace", "--role", "curator", "--json", stdout=out)
    made = json.loads(out.getvalue())
    assert made["role"] == "curator"
    client = Client()
    answer = client.post(reverse("sign-in"), {"username": "grace", "password": made["password"]})
    assert answer["Location"] == reverse("persona-grid")
    assert not User.objects.get(username="grace").is_staff


def test_the_command_shows_the_password_once_and_only_one_it_made(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    call_command("add_user", "ada", stdout=out)
    assert "Added ada as viewer." in out.getvalue()
    assert "shown this once" in out.getvalue()
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)
    out = io.StringIO()
    call_command("add_user", "eve", "--ask", stdout=out)
    assert out.getvalue() == "Added eve as viewer.\n"
    assert User.objects.get(username="eve").check_password(PASSWORD)


def test_passwords_that_differ_add_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([PASSWORD, "another one"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    with pytest.raises(CommandError, match="differ"):
        call_command("add_user", "eve", "--ask")
    assert not User.objects.exists()


@pytest.mark.parametrize(("name", "password"), [("grace", None), ("no spaces", None), ("eve", "1234")])
def test_names_that_are_taken_or_none_and_weak_passwords_are_refused(name: str, password: str | None) -> None:
    add_user(name="grace", role=Role.VIEWER)
    with pytest.raises(UnableToAddUserError):
        add_user(name=name, role=Role.ADMIN, password=password)
    assert [user.username for user in User.objects.all()] == ["grace"]


def test_the_admin_role_opens_the_administration_and_the_others_do_not() -> None:
    assert signed_in(user_of(Role.ADMIN)).get(reverse("admin:index")).status_code == 200
    answer = signed_in(user_of(Role.CURATOR)).get(reverse("admin:index"), follow=True)
    assert answer.status_code == 403
    assert "admin role" in answer.content.decode()


def test_the_administration_has_no_sign_in_of_its_own() -> None:
    answer = Client().get(reverse("admin:auth_user_changelist"), follow=True)
    assert answer.redirect_chain[-1][0].startswith(reverse("sign-in"))
    assert "admin/auth/user" in answer.redirect_chain[-1][0]


def test_a_user_changes_their_own_password() -> None:
    user = User.objects.create_user("grace", password=PASSWORD)
    client = signed_in(user)
    new = {"new_password1": "another long secret", "new_password2": "another long secret"}
    assert "incorrect" in client.post(reverse("password"), {"old_password": "?", **new}).content.decode()
    assert client.post(reverse("password"), {"old_password": PASSWORD, **new})["Location"] == reverse("persona-grid")
    user.refresh_from_db()
    assert user.check_password("another long secret")
    assert client.get(reverse("persona-grid")).status_code == 200  # still signed in


# ---- nobody raises their own rights ----------------------------------------------------------------------------------
def test_an_admin_gives_roles_to_others() -> None:
    admin, grace = user_of(Role.ADMIN), user_of(Role.VIEWER, "grace")
    curator = Group.objects.get(name=Role.CURATOR)
    assert change(signed_in(admin), grace, groups=[str(curator.pk)]) == 302
    assert [group.name for group in grace.groups.all()] == ["curator"]


def test_the_admin_role_brings_the_staff_flag() -> None:
    admin, grace = user_of(Role.ADMIN), user_of(Role.VIEWER, "grace")
    change(signed_in(admin), grace, groups=[str(Group.objects.get(name=Role.ADMIN).pk)])
    grace.refresh_from_db()
    assert grace.is_staff


def test_an_admin_adds_a_user_with_a_role() -> None:
    role = Group.objects.get(name=Role.LABELLER)
    form = {"username": "eve", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = signed_in(user_of(Role.ADMIN)).post(reverse("admin:auth_user_add"), {**form, "groups": [str(role.pk)]})
    assert answer.status_code == 302
    assert permissions.can_label(User.objects.get(username="eve"))


def test_an_admin_changes_nothing_about_their_own_rights() -> None:
    admin = user_of(Role.ADMIN)
    everything = [str(each.pk) for each in Permission.objects.all()]
    change(signed_in(admin), admin, is_superuser="on", user_permissions=everything, groups=[], first_name="Grace")
    admin.refresh_from_db()
    assert (admin.first_name, admin.is_superuser, admin.is_staff) == ("Grace", False, True)
    assert [group.name for group in admin.groups.all()] == ["admin"]
    assert not admin.user_permissions.exists()


def test_an_admin_makes_no_superuser_and_hands_out_no_single_right() -> None:
    admin, grace = user_of(Role.ADMIN), user_of(Role.VIEWER, "grace")
    everything = [str(each.pk) for each in Permission.objects.all()]
    change(signed_in(admin), grace, is_superuser="on", user_permissions=everything)
    grace.refresh_from_db()
    assert not grace.is_superuser
    assert not grace.user_permissions.exists()


def stronger(name: str) -> User:
    """Somebody who may do what an admin may not, though not now."""
    user = User.objects.create_user(name, is_active=False)
    user.user_permissions.add(Permission.objects.get(codename="delete_group"))
    return user


@pytest.mark.parametrize("make", [User.objects.create_superuser, stronger], ids=["superuser", "more rights"])
def test_an_admin_neither_changes_nor_deletes_who_may_do_more(make) -> None:
    target, client = make("target"), signed_in(user_of(Role.ADMIN))
    assert client.get(reverse("admin:auth_user_change", args=[target.pk])).status_code == 200  # looking is no harm
    assert change(client, target, first_name="Eve") == 403
    password = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    assert client.post(reverse("admin:auth_user_password_change", args=[target.pk]), password).status_code == 403
    assert client.post(reverse("admin:auth_user_delete", args=[target.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [str(target.pk)], "post": "yes"}
    assert client.post(reverse("admin:auth_user_changelist"), chosen).status_code == 403
    target.refresh_from_db()
    assert target.first_name == ""
    assert not target.check_password(PASSWORD)


def test_an_admin_gives_no_group_that_may_do_more_and_takes_none_away() -> None:
    beyond = Group.objects.create(name="keepers")
    beyond.permissions.add(Permission.objects.get(codename="delete_group"))
    spare = Group.objects.create(name="nothing yet")
    admin, grace = user_of(Role.ADMIN), user_of(Role.VIEWER, "grace")
    page = signed_in(admin).get(reverse("admin:auth_user_change", args=[grace.pk])).content.decode()
    assert "keepers" not in page
    assert "nothing yet" in page
    viewer = Group.objects.get(name=Role.VIEWER)
    form = [str(beyond.pk), str(viewer.pk)]
    answer = signed_in(admin).post(
        reverse("admin:auth_user_change", args=[grace.pk]), {"username": "grace", "groups": form}
    )
    assert answer.context["adminform"].form.errors["groups"]
    assert [group.name for group in grace.groups.all()] == ["viewer"]
    spare.user_set.add(grace)
    assert change(signed_in(admin), grace, groups=[str(viewer.pk)]) == 302
    assert [group.name for group in grace.groups.all()] == ["viewer"]


def test_groups_are_changed_by_superusers_and_the_products_roles_are_not_deleted() -> None:
    viewer = Group.objects.get(name=Role.VIEWER)
    url = reverse("admin:auth_group_change", args=[viewer.pk])
    form = {"name": "viewer", "permissions": [str(Permission.objects.get(codename="add_label").pk)]}
    assert signed_in(user_of(Role.ADMIN)).post(url, form).status_code == 403
    root = signed_in(User.objects.create_superuser("root"))
    assert root.post(reverse("admin:auth_group_delete", args=[viewer.pk]), {"post": "yes"}).status_code == 403
    own = Group.objects.create(name="own")
    assert root.post(reverse("admin:auth_group_delete", args=[own.pk]), {"post": "yes"}).status_code == 302


def test_nobody_deletes_the_account_they_are_signed_in_with() -> None:
    root = User.objects.create_superuser("root")
    url = reverse("admin:auth_user_delete", args=[root.pk])
    assert signed_in(root).post(url, {"post": "yes"}).status_code == 403
