"""Who is logged in where: each session leaves a row that people can know it by, and end it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse

from accounts.browsing import LONGEST_BROWSER, PanelSession
from accounts.models import Account

KEY = "seen"
# A row is written no more often than this, so that a busy page costs no write.
SECONDS_BETWEEN_NOTES = 60


class SessionNotesMiddleware:
    """After ActorMiddleware. Works on the way out: by then a login or a change of person has given the
    session its key.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        response = self.get_response(request)
        account = request.actor.real or request.user
        session = request.session
        # A session without a key is saved after us: its next request makes the row.
        if isinstance(account, Account) and session.session_key and "_auth_user_id" in session:
            _note(request, account)
        return response


def _note(request: Any, account: Account) -> None:
    session, now = request.session, time.time()
    key, began, at, address = session.get(KEY, ("", now, 0.0, ""))
    is_fresh = now - at < SECONDS_BETWEEN_NOTES
    if key == session.session_key and is_fresh and address == request.actor.address:
        return
    # Revoked while this request ran: what is gone is not made again.
    if not session.exists(session.session_key):
        return
    session[KEY] = [session.session_key, began, now, request.actor.address]
    values = {
        "account": account,
        "address": request.actor.address,
        "browser": request.headers.get("User-Agent", "")[:LONGEST_BROWSER],
        "began_at": datetime.fromtimestamp(began, UTC),
        "seen_at": datetime.fromtimestamp(now, UTC),
    }
    with suppress(IntegrityError):  # revoked at this very moment: the row has nothing to hang on
        PanelSession.objects.update_or_create(session_id=session.session_key, defaults=values)
