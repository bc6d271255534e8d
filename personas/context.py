"""What every page's template needs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from personas.bootstrap import ONE_ACCOUNT, is_bootstrap
from personas.permissions import can_administer, can_curate, can_label, can_manage, can_upload
from personas.selectors.learning import learning_state
from personas.store import get_store


def navigation(request: HttpRequest) -> dict[str, Any]:
    """Nothing is read from the store before a template asks: partials do not show the status line."""
    user = getattr(request, "user", None)
    return {
        "embedded": settings.EMBEDDED,
        "one_account": ONE_ACCOUNT if is_bootstrap() else "",
        "learning": SimpleLazyObject(lambda: learning_state(get_store())),
        "can_label": bool(user and can_label(user)),
        "can_upload": bool(user and can_upload(user)),
        "can_curate": bool(user and can_curate(user)),
        "can_manage": bool(user and can_manage(user)),
        "can_administer": bool(user and can_administer(user)),
    }
