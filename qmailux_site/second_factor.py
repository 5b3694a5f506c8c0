"""Where the server's rules ask for a second factor, nothing else opens before it is set up."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from accounts.actions.second_factor import needs_second_factor
from accounts.models import Account
from qmailux_site.page_names import page_name
from qmailux_site.password_change import ALLOWED_PAGES

# Mail programs need their own passwords once it is on: they can be made before.
OPEN_PAGES = ALLOWED_PAGES | {"second-factor", "app-passwords", "app-password-revoke"}


class SecondFactorMiddleware:
    """After the change of a password that somebody else has set: that one comes first."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        account = request.user
        if (
            not isinstance(account, Account)
            or request.actor.acting_as is not None  # type: ignore[attr-defined]  # ActorMiddleware
            or page_name(request) in OPEN_PAGES
            or not needs_second_factor(account)
        ):
            return self.get_response(request)
        messages.info(
            request, _("The server's rules ask for two-step login with your rights: set it up now.")
        )
        return redirect("second-factor")
