"""The panel's door."""

from __future__ import annotations

from django.contrib.auth.views import LoginView, LogoutView

from accounts.forms import LoginForm


class PanelLogin(LoginView):
    """Address and password; guessing is stopped by django-axes."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


class PanelLogout(LogoutView):
    """By POST only."""

    next_page = "login"
