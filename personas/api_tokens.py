"""Tokens by which programs act as a user. Only their hashes are kept: a token is shown once, when it is made."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from personas.bootstrap import ONE_ACCOUNT, is_bootstrap
from personas.entities import AuditEntry
from personas.errors import FaceProjectError, NotFoundError
from personas.models import ApiToken
from personas.names import normal
from personas.store.base import Store

#: Found by tools that look for secrets in code; a token begins with it.
PREFIX = "fp_"
MAX_NAME_LENGTH = 60
MAX_DAYS = 3650
DEFAULT_DAYS = 90
#: When a token was last used is written this often at most: asking should not cost a write.
USE_NOTED_EVERY = timedelta(minutes=1)


class UnableToMakeTokenError(FaceProjectError):
    """A token that cannot be made as it was asked for."""


def make_token(*, store: Store, user: User, name: str, days: int | None, at: datetime) -> str:
    """A new token of the user's; the only time that it is told. days: how long it holds; None: until it is revoked.

    Raises UnableToMakeTokenError.
    """
    if is_bootstrap():
        raise UnableToMakeTokenError(ONE_ACCOUNT)
    cleaned = normal(name)
    if not cleaned or len(cleaned) > MAX_NAME_LENGTH or not cleaned.isprintable():
        raise UnableToMakeTokenError(f"Say in 1 to {MAX_NAME_LENGTH} letters what the token is for.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise UnableToMakeTokenError(f"A token holds 1 to {MAX_DAYS} days, or until it is revoked.")
    if not user.is_active:
        raise UnableToMakeTokenError(f"The account {user.get_username()} is switched off; a token would open nothing.")
    token = PREFIX + secrets.token_urlsafe(32)
    expires_at = None if days is None else at + timedelta(days=days)
    try:
        with transaction.atomic():
            made = ApiToken.objects.create(
                user=user, name=cleaned, token_hash=_hash(token), created_at=at, expires_at=expires_at
            )
    except IntegrityError as error:
        raise UnableToMakeTokenError(
            f"There is a token called {cleaned} already. Revoke that one, or take another name."
        ) from error
    _audit(store, "api token made", made, user, at)
    return token


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """A user's tokens, newest first; those that ran out too, until they are revoked."""
    return ApiToken.objects.filter(user=user).order_by("-created_at", "-pk")


def revoke_token(*, store: Store, user: User, token_id: int, at: datetime) -> None:
    """From now on it opens nothing. Raises NotFoundError (none of this user's)."""
    token = ApiToken.objects.filter(user=user, pk=token_id).first()
    if token is None:
        raise NotFoundError("There is no such token of yours; it may have been revoked before.")
    _audit(store, "api token revoked", token, user, at)
    token.delete()


def redeem(token: str, *, at: datetime) -> User | None:
    """Whose token this is; None: nobody's, or it has run out, or the account is switched off."""
    found = ApiToken.objects.select_related("user").filter(token_hash=_hash(token), user__is_active=True).first()
    if found is None or (found.expires_at is not None and found.expires_at <= at):
        return None
    if found.last_used_at is None or at - found.last_used_at >= USE_NOTED_EVERY:
        noted = Q(last_used_at=None) | Q(last_used_at__lt=at)
        ApiToken.objects.filter(noted, pk=found.pk).update(last_used_at=at)
    return found.user


def _hash(token: str) -> str:
    """A token is 256 random bits, so a plain hash is as good as a slow one."""
    return hashlib.sha256(token.encode()).hexdigest()


def _audit(store: Store, action: str, token: ApiToken, user: User, at: datetime) -> None:
    store.add_audit(AuditEntry(at=at, actor=user.get_username(), action=action, target=str(token.pk)))
