"""Who acts, and what becomes of a refusal that no view has caught."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation

from accounts.actor import Actor, Channel
from accounts.models import Account
from domains.names import canonical_domain
from enforcement.models import ServerLock
from qmailux_site.errors import ActionRefused, HostError, NotAllowed
from qmailux_site.navigation import doors_of, names_of, sections_of, theme_of, without_secrets

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
        request.actor = Actor(real=account, channel=channel, address=client_address(request) or "")  # type: ignore[attr-defined]  # PanelRequest
        if account is not None:
            translation.activate(account.language)
            request.LANGUAGE_CODE = account.language
        return self.get_response(request)


def client_address(request: HttpRequest) -> str | None:
    """nginx replaces X-Forwarded-For by the one address it sees; gunicorn listens on a unix socket only."""
    text = request.META.get("HTTP_X_FORWARDED_FOR") or request.META.get("REMOTE_ADDR") or ""
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return None


def client_network(request: HttpRequest) -> str | None:
    """By which guesses are counted: who has one IPv6 address has 2 ** 64 of them (PRM-13)."""
    address = client_address(request)
    if address is None or ":" not in address:
        return address
    return str(ipaddress.ip_network(f"{address}/64", strict=False).network_address)


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
    """What every page shows: the product's name, the doors of the person and the sections of this door."""
    account = getattr(request, "user", None)
    values: dict[str, Any] = {
        "product_name": settings.QMAILUX_PRODUCT_NAME,
        "theme": theme_of(request),
        "impersonation": getattr(request, "impersonation", None),
        "server_lock": ServerLock.objects.first(),
        "doors": [],
        "sections": [],
    }
    if isinstance(account, Account):
        match = request.resolver_match
        page = (match.url_name or "") if match else ""
        domain = str(match.kwargs.get("name", "")) if match else ""
        actor: Actor = request.actor  # type: ignore[attr-defined]  # ActorMiddleware
        rights = actor.rights_on(_stored_name(domain)) if domain else frozenset()
        names = names_of(account)
        values["rights"] = {right.value: True for right in rights}
        values["doors"] = doors_of(account, page, names)
        values["sections"] = sections_of(account, page, domain, names=names, rights=rights)
        if values["impersonation"]:
            values["sections"] = without_secrets(values["sections"])
    return values


def _stored_name(domain: str) -> str:
    """As it stands in an address bar, in either spelling."""
    try:
        return canonical_domain(domain)
    except ActionRefused:
        return ""
