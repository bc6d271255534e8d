"""For whatever keeps the process running; neither needs a sign-in."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from personas.readiness import WEB_CHECKS, all_ok, readiness


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
    """The process can serve: what pages need is there, by name. The broker is none of it."""
    found = readiness(WEB_CHECKS)
    ready = all_ok(found)
    return JsonResponse({"status": "ok" if ready else "not ready", "checks": found}, status=200 if ready else 503)
