"""The administration as part of the product: one page to sign in on, and words for whoever may not come in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache


class ProductAdminSite(AdminSite):
    """For users with the staff flag; the admin role brings it."""

    site_title = site_header = "faceproject administration"

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """No form of its own: the product's sign-in page leads back here. Raises PermissionDenied."""
        target = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
        if not request.user.is_authenticated:
            return HttpResponseRedirect(f"{reverse('sign-in')}?{urlencode({REDIRECT_FIELD_NAME: target})}")
        if not self.has_permission(request):
            raise PermissionDenied("The administration is for administrators. Ask one for the admin role.")
        return HttpResponseRedirect(reverse("admin:index"))
