"""From a login or a click into a webmail: the browser gets the session's cookies and is sent there."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import Account
from qmailux_site.errors import ActionRefused, HostUnreachable
from qmailux_site.middleware import client_address
from webmail.catalogue import catalogue, find_offered
from webmail.handover import Visitor, log_in
from webmail.models import Webmail
from webmail.sessions import note_session
from webmail.tokens import new_token

YEAR_SECONDS = 365 * 86400
DOOR_COOKIE = "door"
DOMAIN_COOKIE = "webmail_domain"


@sensitive_variables("secret")
def enter(
    request: HttpRequest, account: Account, webmail: Webmail, *, secret: str, opened_by: Account | None = None
) -> HttpResponse:
    """Log the account in with the secret and send the browser there. Raises ActionRefused with the sentence
    for the person when the webmail does not let them in or does not answer.
    """
    if webmail.is_link:
        return _remember(request, HttpResponseRedirect(webmail.address), account, webmail.name)
    visitor = Visitor(request.get_host(), client_address(request) or "", account.language, account.name)
    try:
        cookies = log_in(
            webmail.adapter,
            door=settings.QMAILUX_LAYOUT.webmail_door,
            path=webmail.path,
            address=account.address,
            secret=secret,
            visitor=visitor,
        )
    except HostUnreachable as error:
        sentence = _("%(webmail)s does not answer at the moment. Try again in a few minutes.")
        raise ActionRefused("", sentence % {"webmail": webmail.title}) from error
    note_session(account, webmail, cookies, opened_by=opened_by)
    # The path is a webmail's own: no address that somebody typed decides where this leads.
    response = HttpResponseRedirect(f"{webmail.path}{webmail.adapter.landing_path}", status=303)
    for name, value in cookies.items():
        _set_as_it_is(response, name, value, path=webmail.path, is_secure=request.is_secure())
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return _remember(request, response, account, webmail.name)


def enter_by_token(
    request: HttpRequest, account: Account, name: str, *, acting: Account | None = None
) -> HttpResponse:
    """Without a password: for somebody whom the panel knows. acting: who acts for the account."""
    webmail = find_offered(name, account.domain)
    if webmail is None:
        messages.error(request, _("This webmail is not offered any more."))
        return redirect("home")
    token = new_token(
        settings.QMAILUX_LAYOUT, address=account.address, acting=acting.address if acting else ""
    )
    try:
        return enter(request, account, webmail, secret=token, opened_by=acting)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
        return redirect("home" if request.user.is_authenticated else "login")


def take_cookies(response: HttpResponse) -> None:
    """The browser forgets its sessions in webmails: one at another address keeps them, whatever we end."""
    for webmail in catalogue():
        for name in webmail.adapter.cookie_names:
            response.delete_cookie(name, path=webmail.path)


def remember_door(response: HttpResponse, request: HttpRequest, door: str) -> None:
    response.set_cookie(
        DOOR_COOKIE, door, YEAR_SECONDS, httponly=True, samesite="Lax", secure=request.is_secure()
    )


def _remember(request: HttpRequest, response: HttpResponse, account: Account, name: str) -> HttpResponse:
    """The choice, and whose brand the login page wears the next time."""
    if account.domain is not None:
        response.set_cookie(
            DOMAIN_COOKIE,
            account.domain.name,
            YEAR_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure(),
        )
    if getattr(request, "impersonation", None) is None:
        remember_door(response, request, name)
    return response


def _set_as_it_is(response: HttpResponse, name: str, value: str, *, path: str, is_secure: bool) -> None:
    """The webmail reads its cookie as it wrote it: encoded once, not twice."""
    response.set_cookie(name, "", path=path, httponly=True, samesite="Lax", secure=is_secure)
    response.cookies[name].set(name, value, value)
    response.cookies[name]["path"] = path
