"""A password that somebody else has set opens one page: the one where it is changed."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.models import Account
from qmailux_site.page_names import page_name

ALLOWED_PAGES = {
    "password",
    "password-life",
    "password-strength",
    "admin-password",
    "logout",
    "language",
    "theme",
    "health",
}


class PasswordChangeMiddleware:
    """Leads there from everywhere else, until the owner has chosen a password."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        account = request.user
        if (
            not isinstance(account, Account)
            or not account.must_change_password
            or request.actor.acting_as is not None  # type: ignore[attr-defined]  # ActorMiddleware
            or page_name(request) in ALLOWED_PAGES
        ):
            return self.get_response(request)
        messages.info(request, _("Somebody else has set your password. Choose one that only you know."))
        return redirect("password")
