"""For whatever keeps the process running; neither needs a sign-in."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from personas.errors import FaceProjectError
from personas.store import get_store

logger = logging.getLogger(__name__)


@require_safe
@never_cache
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
@login_not_required
def readyz(request: HttpRequest) -> JsonResponse:
    """The process can serve: users' database and state store both answer."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        get_store().champion()
    except (DatabaseError, FaceProjectError):
        logger.warning("not ready", exc_info=True)
        return JsonResponse({"status": "not ready"}, status=503)
    return JsonResponse({"status": "ok"})
