"""Sessions that we opened in webmails, so that those of one person can be ended (DESIGN 4: by the node)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import Account
from provisioning import outbox
from webmail.models import Webmail, WebmailSession

KEPT = timedelta(days=7)


def note_session(
    account: Account, webmail: Webmail, cookies: Mapping[str, str], *, opened_by: Account | None
) -> None:
    """opened_by: who acts for the account; None is its owner."""
    session_id = cookies.get(webmail.adapter.session_cookie or next(iter(cookies), ""), "")
    WebmailSession.objects.filter(account=account, opened_at__lt=timezone.now() - KEPT).delete()
    if session_id:
        WebmailSession.objects.create(
            account=account, webmail=webmail.name, session_id=session_id[:256], opened_by=opened_by
        )


@transaction.atomic
def end_all(account: Account) -> None:
    """Every session of the account in every webmail, whoever opened it, and its connections from there."""
    if account.domain is None:
        return
    rows = WebmailSession.objects.filter(account=account)
    _order(account, list(rows), names=[account.address])
    rows.delete()


@transaction.atomic
def end_opened_by(person: Account | None, address: str) -> None:
    """Those that the person opened while acting for the address; None is whoever did."""
    rows = WebmailSession.objects.filter(account__address=address, opened_by__isnull=False)
    rows = rows.filter(opened_by=person) if person is not None else rows
    found = list(rows.select_related("account__domain__node"))
    if found:
        _order(found[0].account, found, names=[])
    rows.delete()


def _order(account: Account, rows: list[WebmailSession], *, names: list[str]) -> None:
    if account.domain is not None:
        sessions = [(row.webmail, row.session_id) for row in rows]
        outbox.end_sessions(account.domain.node, names=names, sessions=sessions)
