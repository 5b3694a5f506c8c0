"""Acting for somebody else in the panel.

The session stays the real person's own: their password change, lock or logout ends it, and nothing of the
other account (its session, its second factor) is touched. django-hijack, which logs in as the other account,
would need all of that mended. What the session remembers is only who is acted for and until when; whether it
is still allowed is asked at every request.

Forms that were open before a change of person are refused: the CSRF token changes with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from accounts.views.second_factor import wait_for_code
from qmailux_site.errors import ActionRefused
from qmailux_site.navigation import PAGES_OF_SECRETS
from qmailux_site.page_names import page_name

SECONDS = 1800
KEY = "acting_for"
# Changes that are the real person's own.
ALWAYS_OPEN = {"impersonation-end", "impersonation-writing", "language", "logout", "theme"}


@dataclass(frozen=True, slots=True)
class Impersonation:
    """What the frame of every page shows."""

    real: Account
    account: Account
    reason: str
    ends_at: float
    writes: bool

    @property
    def minutes_left(self) -> int:
        return max(1, round((self.ends_at - time.time()) / 60))


def begin(request: HttpRequest, account: Account, reason: str) -> None:
    """start_impersonation has allowed it."""
    _change_person(request)
    request.session[KEY] = {
        "account": account.pk,
        "address": account.address,
        "scope": account.domain.name if account.domain else "",
        "reason": reason,
        "until": time.time() + SECONDS,
        "writes": False,
    }


def open_for_writing(request: HttpRequest) -> None:
    request.session[KEY] = {**request.session[KEY], "writes": True}


def end(request: HttpRequest, *, real: Account, by: Actor, why: str) -> HttpResponse:
    """Back to the own name; with a second factor, its code is asked before anything else."""
    state = request.session.pop(KEY)
    actions.end_impersonation(state["address"], scope=state["scope"], why=why, by=by)
    account = Account.objects.visible_to(by).filter(pk=state["account"]).select_related("domain").first()
    url = reverse("home")
    if account is not None and account.domain is not None:
        url = reverse("account", args=[account.domain.name, account.pk])
    if real.second_factor_at is not None:
        logout(request)
        return wait_for_code(request, real, url)
    _change_person(request)
    return redirect(url)


class ImpersonationMiddleware:
    """After ActorMiddleware: request.user is the person acted for, request.actor names both."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        state = request.session.get(KEY)
        if state is None:
            return self.get_response(request)
        by: Actor = request.actor
        if by.real is None:
            del request.session[KEY]  # locked meanwhile: no longer logged in
            actions.end_impersonation(
                state["address"], scope=state["scope"], why="logged out", by=Actor.task()
            )
            return self.get_response(request)
        account = Account.objects.filter(pk=state["account"]).select_related("domain__node").first()
        page = page_name(request)
        if over := _why_over(account, state, by):
            return _leave(request, end(request, real=by.real, by=by, why=over))
        assert account is not None  # noqa: S101  # one that is gone is over
        writes = bool(state["writes"])
        request.impersonation = Impersonation(by.real, account, state["reason"], state["until"], writes)
        request.user = account
        request.actor = replace(by, acting_as=account, writes_allowed=writes)
        if page in PAGES_OF_SECRETS:
            sentence = _("Passwords and two-step login are not changed on behalf of somebody else.")
            return render(request, "refused.html", {"reason": sentence}, status=403)
        if request.method not in ("GET", "HEAD") and not writes and page not in ALWAYS_OPEN:
            return render(request, "accounts/looking_only.html", status=403)
        return self.get_response(request)


def _why_over(account: Account | None, state: dict[str, Any], by: Actor) -> str:
    """Empty while it goes on; else a word for the audit."""
    if account is None:
        return "account gone"
    if time.time() >= state["until"]:
        return "time"
    try:
        actions.check_impersonation(account, by=by)
    except ActionRefused:
        return "no longer allowed"
    return ""


def _leave(request: Any, response: HttpResponse) -> HttpResponse:
    """The request itself is not carried out: it was meant on behalf of somebody. A fragment takes the whole
    page along.
    """
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": response["Location"]})
    return response


def _change_person(request: HttpRequest) -> None:
    request.session.cycle_key()
    rotate_token(request)
