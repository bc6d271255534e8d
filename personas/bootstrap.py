"""`USERS=bootstrap`: no database of users that processes share. One administrator, whose password is a secret of the
deployment; sessions are signed cookies.

Users lie in an SQLite file of the container's own disk, made anew with each container. So that a session outlives the
file, everything a session is checked against follows from the secrets: the user's id is fixed, and the password is
hashed with a salt that comes from SECRET_KEY. Another password, or another key, ends all sessions.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from personas.errors import FaceProjectError

BOOTSTRAP: Final = "bootstrap"
ADMIN: Final = "admin"
#: Sessions name their user by it.
ADMIN_ID: Final = 1
#: What pages and commands say that would keep something about users.
ONE_ACCOUNT: Final = (
    "This installation keeps no users but its administrator, whose password is the deployment's secret ADMIN_PASSWORD "
    "(USERS=bootstrap). For other users and API tokens, use PostgreSQL."
)


class AdminPasswordError(FaceProjectError):
    """ADMIN_PASSWORD is missing, or too easy to guess."""


class UnableToAddAdminError(FaceProjectError):
    """The administrator's name belongs to somebody else."""


def is_bootstrap() -> bool:
    """Users are not kept here."""
    return bool(settings.USERS == BOOTSTRAP)


@sensitive_variables("password")
def set_administrator(password: str) -> None:
    """The administrator of USERS=bootstrap, with this password; safe to repeat. Raises AdminPasswordError."""
    if not password:
        raise AdminPasswordError(
            "USERS=bootstrap has one user, admin, whose password is ADMIN_PASSWORD, which is not set. "
            "Set ADMIN_PASSWORD (or ADMIN_PASSWORD_FILE)."
        )
    _require_good(password)
    salt = salted_hmac("personas.bootstrap", ADMIN, algorithm="sha256").hexdigest()
    wanted = {
        "password": make_password(password, salt=salt),
        "is_active": True,
        "is_staff": True,
        "is_superuser": True,
    }
    User.objects.update_or_create(username=ADMIN, defaults=wanted, create_defaults={"pk": ADMIN_ID, **wanted})


@sensitive_variables("password")
def ensure_first_administrator(password: str) -> bool:
    """A superuser `admin` with this password where there is no superuser yet; later ones are left alone.

    Returns whether it was made. Raises AdminPasswordError (too easy to guess), UnableToAddAdminError.
    """
    if User.objects.filter(is_superuser=True).exists():
        return False
    _require_good(password)
    try:
        with transaction.atomic():
            User.objects.create_superuser(username=ADMIN, password=password)
    except IntegrityError as error:
        if User.objects.filter(is_superuser=True).exists():  # another process was faster
            return False
        raise UnableToAddAdminError(
            f"There is no superuser, and the user {ADMIN!r} is none. Make one: `manage.py createsuperuser`, under "
            "another name; or unset ADMIN_PASSWORD."
        ) from error
    return True


@sensitive_variables("password")
def _require_good(password: str) -> None:
    try:
        validate_password(password, User(username=ADMIN))
    except ValidationError as error:
        raise AdminPasswordError(f"ADMIN_PASSWORD is refused: {' '.join(error.messages)}") from error
