"""The one-time sign-in link of embedded mode, as Jupyter prints one: for this machine only, used once, soon stale."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from personas.models import OneTimeLink

OWNER = "owner"
LIFETIME = timedelta(minutes=15)


def one_time_link(base_url: str) -> str:
    """A link that signs its user in as the owner: single use, 15 minutes, loopback only.

    base_url: where the web listens, e.g. "http://127.0.0.1:8000".
    """
    ensure_owner()
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    OneTimeLink.objects.filter(expires_at__lt=now - timedelta(days=1)).delete()
    OneTimeLink.objects.create(token_hash=_hash(token), created_at=now, expires_at=now + LIFETIME)
    return base_url.rstrip("/") + reverse("sign-in-link", args=[token])


def ensure_owner() -> User:
    """The superuser of an embedded installation; it has no password until somebody gives it one."""
    owner, created = get_user_model().objects.get_or_create(
        username=OWNER, defaults={"is_staff": True, "is_superuser": True, "first_name": "Owner"}
    )
    if created:
        owner.set_unusable_password()
        owner.save(update_fields=["password"])
    return owner


def redeem(token: str) -> User | None:
    """The owner, when the link is good; it is spent from then on."""
    now = timezone.now()
    with transaction.atomic():
        good = OneTimeLink.objects.filter(token_hash=_hash(token), used_at__isnull=True, expires_at__gt=now)
        if good.update(used_at=now) != 1:
            return None
        return ensure_owner()


def is_local(request: HttpRequest) -> bool:
    """The request comes from this machine, in embedded mode, and through no proxy that would hide where it began."""
    if not settings.EMBEDDED or "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
