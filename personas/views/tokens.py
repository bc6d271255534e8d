"""The signed-in user's API tokens: those there are, a new one, and revoking one."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from personas.api_tokens import (
    DEFAULT_DAYS,
    MAX_NAME_LENGTH,
    UnableToMakeTokenError,
    make_token,
    revoke_token,
    tokens_of,
)
from personas.forms import cleaned
from personas.store import get_store
from personas.views.http import PageRequest, page, see_other

#: For how long a token may hold, in days and in words; 0: until it is revoked.
LIFETIMES: Final = ((30, "30 days"), (DEFAULT_DAYS, f"{DEFAULT_DAYS} days"), (365, "a year"), (0, "until I revoke it"))


class TokenForm(forms.Form):
    name = forms.CharField(max_length=400)
    days = forms.TypedChoiceField(choices=LIFETIMES, coerce=int)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("token")
def tokens(request: PageRequest) -> HttpResponse:
    """POST answers with the page itself: the new token is shown there, once, and kept nowhere."""
    if request.method != "POST":
        return _page(request)
    data = cleaned(TokenForm(request.POST))
    try:
        token = make_token(
            store=get_store(), user=request.user, name=data["name"], days=data["days"] or None, at=timezone.now()
        )
    except UnableToMakeTokenError as error:
        return _page(request, problem=str(error), name=data["name"], days=data["days"], status=422)
    return _page(request, token=token)


def _page(request: PageRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "tokens": tokens_of(request.user),
        "now": timezone.now(),
        "lifetimes": LIFETIMES,
        "days": DEFAULT_DAYS,
        "max_name": MAX_NAME_LENGTH,
        **more,
    }
    response = page(request, "account/tokens.html", context, status=status)
    patch_cache_control(response, no_store=True)
    return response


@require_POST
def revoke(request: PageRequest, token_id: int) -> HttpResponseBase:
    revoke_token(store=get_store(), user=request.user, token_id=token_id, at=timezone.now())
    messages.success(request, "Revoked. Programs that use this token are let in no more.")
    return see_other(reverse("api-tokens"))
