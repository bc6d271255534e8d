"""Signing in and out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from personas.bootstrap import is_bootstrap
from personas.sign_in import is_local, redeem
from personas.views.http import PageRequest


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    """User name and password; embedded installations also say how to get a one-time link."""

    template_name = "account/sign_in.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.headers.get("HX-Request"):  # a partial of a page whose session ended: load the sign-in as a page
            came_from = request.headers.get("HX-Current-URL", "")
            target = f"{reverse('sign-in')}?{urlencode({'next': came_from})}"
            return HttpResponse(status=204, headers={"HX-Redirect": target})
        return super().dispatch(request, *args, **kwargs)


class ChangePassword(PasswordChangeView):
    """One's own."""

    template_name = "account/password.html"
    success_url = reverse_lazy("persona-grid")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refused where the password is a secret of the deployment's: the next start would set it again."""
        if is_bootstrap():
            return self.render_to_response(self.get_context_data(), status=HTTPStatus.CONFLICT)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Your password was changed.")
        return super().form_valid(form)


@require_GET
@login_not_required
@never_cache
def one_time(request: PageRequest, token: str) -> HttpResponseBase:
    """The link that embedded mode prints."""
    if not is_local(request):
        raise Http404
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    owner = redeem(token)
    if owner is None:
        return render(request, "account/link_spent.html", status=410)
    login(request, owner, backend="django.contrib.auth.backends.ModelBackend")
    return redirect(settings.LOGIN_REDIRECT_URL)
