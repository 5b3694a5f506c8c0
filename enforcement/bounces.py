"""Whose mail comes back: from the trace of the last hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Q

from accounts.models import Account
from enforcement.braking import Suspect, let_go_at, threshold_of
from maillog.models import Entry, Kind, Verdict

PERIOD = timedelta(hours=1)
# A few wrong addresses are nobody's sign.
FEWEST_BOUNCES = 10
CAME_BACK = (Verdict.BOUNCED, Verdict.PARTLY)


def whose_mail_comes_back(now: datetime) -> Iterator[Suspect]:
    """Accounts above their threshold, counted since they were let go last."""
    sent = Entry.objects.filter(kind=Kind.MESSAGE, began_at__gt=now - PERIOD).exclude(login="")
    returned = sent.filter(verdict__in=CAME_BACK).values("login").annotate(n=Count("id"))
    logins = [row["login"] for row in returned.order_by() if row["n"] >= FEWEST_BOUNCES]
    for account in Account.objects.with_mailbox().filter(address__in=logins).select_related("domain"):
        threshold = threshold_of(account, "bounces")
        mine = sent.filter(login=account.address)
        if (since := let_go_at(account)) is not None:
            mine = mine.filter(began_at__gt=since)
        numbers = mine.aggregate(all=Count("id"), back=Count("id", filter=Q(verdict__in=CAME_BACK)))
        if not threshold or numbers["back"] < FEWEST_BOUNCES:
            continue
        share = numbers["back"] * 100 // numbers["all"]
        if share > threshold:
            yield Suspect(account, share, threshold)
