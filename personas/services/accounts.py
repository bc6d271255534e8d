"""Accounts of people who use the product."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from personas.bootstrap import ONE_ACCOUNT, is_bootstrap
from personas.errors import FaceProjectError
from personas.roles import Role


class UnableToAddUserError(FaceProjectError):
    """A name that is taken or cannot be one, or a password that is too easy to guess."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account that was just made."""

    name: str
    role: Role
    password: str | None  #: made by the product, and kept nowhere but as a hash; None: somebody chose one


def add_user(*, name: str, role: Role, password: str | None = None) -> NewAccount:
    """A user with a role; without a password given, one is made. The admin role may enter the administration.

    Raises UnableToAddUserError.
    """
    if is_bootstrap():
        raise UnableToAddUserError(ONE_ACCOUNT)
    made = None if password is not None else secrets.token_urlsafe(12)
    user = User(username=User.normalize_username(name), is_staff=role is Role.ADMIN)
    try:
        user.full_clean(exclude=["password"])
        if password is not None:
            validate_password(password, user)
    except ValidationError as error:
        raise UnableToAddUserError(f"There is no new user {name!r}: {' '.join(error.messages)}") from error
    user.set_password(password or made)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            user.groups.add(Group.objects.get(name=role))
    except IntegrityError as error:  # somebody was faster
        raise UnableToAddUserError(f"There is a user {name!r} already; choose another name.") from error
    except Group.DoesNotExist as error:
        raise UnableToAddUserError(f"The role {role} is missing: `manage.py migrate` brings it.") from error
    return NewAccount(name=user.username, role=role, password=made)
