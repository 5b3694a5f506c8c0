"""Whether what was changed at an account is live, for the pages that show it."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpResponse
from django.shortcuts import render

from accounts.models import Account
from provisioning.life import NEXT_LOOK_MILLISECONDS, Life, life_of
from qmailux_site.middleware import PanelRequest


def life_of_account(account: Account) -> Life | None:
    """None for a login that the mail plane does not know."""
    if account.domain is None or not account.has_mailbox:
        return None
    return life_of(account.domain.scope, account.address)


def life_fragment(request: PanelRequest, values: Mapping[str, object]) -> HttpResponse:
    """The fragment that looks again at its own address until the change is live. values: life, saved_at."""
    looking_again = {"poll": request.path, "delay": NEXT_LOOK_MILLISECONDS}
    return render(request, "_life.html", {**looking_again, **values})
