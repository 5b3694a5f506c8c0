"""Who acts, and what becomes of a refusal that no view has caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation

from accounts.actor import Actor, Channel
from accounts.models import Account
from qmailux_site.errors import ActionRefused, HostError, NotAllowed

GetResponse = Callable[[HttpRequest], HttpResponse]


class PanelRequest(HttpRequest):
    """A request of somebody who is logged in, after ActorMiddleware."""

    user: Account
    actor: Actor


class ActorMiddleware:
    """request.actor says who acts and from where; pages speak the account's language."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        account = request.user if isinstance(request.user, Account) else None
        channel: Channel = "admin" if request.path.startswith("/admin/") else "panel"
        request.actor = Actor(real=account, channel=channel, address=client_address(request))  # type: ignore[attr-defined]  # PanelRequest
        if account is not None and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
            translation.activate(account.language)
            request.LANGUAGE_CODE = account.language
        return self.get_response(request)


def client_address(request: HttpRequest) -> str:
    """nginx replaces X-Forwarded-For by the one address it sees; gunicorn listens on a unix socket only."""
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return (forwarded or request.META.get("REMOTE_ADDR", ""))[:45]


class RefusalMiddleware:
    """A refusal or a failing part behind us becomes a page with its reason, never a traceback."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, ActionRefused):
            status = 403 if isinstance(exception, NotAllowed) else 409
            return render(request, "refused.html", {"reason": exception.message}, status=status)
        if isinstance(exception, HostError):
            return render(request, "refused.html", {"reason": str(exception)}, status=503)
        return None


def panel_context(request: HttpRequest) -> dict[str, Any]:
    """What every page shows: the product's name and the doors that the person has."""
    account = getattr(request, "user", None)
    doors = []
    if isinstance(account, Account):
        doors = ["user"] if account.has_mailbox else []
        doors += ["server"] if account.is_superuser else []
        doors += ["domain"] if account.is_superuser or account.managed_domains.exists() else []
    return {"product_name": settings.QMAILUX_PRODUCT_NAME, "doors": doors}
