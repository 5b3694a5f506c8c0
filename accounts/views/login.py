"""The panel's door, and what a visitor chooses there."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from accounts.actions import edit_account
from accounts.forms import LoginForm
from accounts.models import Account, Language
from accounts.views.second_factor import note_panel_login, wait_for_code
from qmailux_site.middleware import PanelRequest
from qmailux_site.navigation import THEME_COOKIE, THEMES

YEAR_SECONDS = 365 * 86400


@method_decorator(sensitive_post_parameters(), name="dispatch")
class PanelLogin(LoginView):
    """Address and password; guessing is stopped by django-axes."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Somebody who is logged in and is sent here lacks a right: logging in again would not help."""
        if request.user.is_authenticated and request.method == "GET":
            if request.GET.get("next"):
                raise PermissionDenied
            return redirect("home")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """With a second factor the password is only half of it."""
        account = form.get_user()
        if isinstance(account, Account) and account.second_factor_at is not None:
            return wait_for_code(self.request, account, self.get_success_url())
        if isinstance(account, Account):
            note_panel_login(self.request, account)
        return super().form_valid(form)


class PanelLogout(LogoutView):
    """By POST only."""

    next_page = "login"


@login_required
def admin_password(request: PanelRequest) -> HttpResponse:
    """The Django admin's own page knows neither our policy nor the mail plane."""
    return redirect("password")


@require_POST
def language(request: HttpRequest) -> HttpResponseBase:
    """For a visitor in a cookie, for an account in the account."""
    chosen = request.POST.get("language", "")
    if isinstance(request.user, Account) and chosen in Language.values:
        edit_account(request.user, language=chosen, by=request.actor)  # type: ignore[attr-defined]  # PanelRequest
    return set_language(request)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the machine has it."""
    chosen = request.POST.get("theme", "")
    response = HttpResponseRedirect(_back(request))
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, YEAR_SECONDS, samesite="Lax", secure=request.is_secure())
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response


def _back(request: HttpRequest) -> str:
    url = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure())
    return url if is_ours else "/"
