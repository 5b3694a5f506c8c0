"""Who has sent what looks like spam, within the last hour: from what the search of outgoing mail found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from accounts.models import Account
from antispam.outgoing import Find
from enforcement.braking import FoundSpam, Suspect, let_go_at, threshold_of

PERIOD = timedelta(hours=1)


def note_spam(finds: Iterable[Find]) -> None:
    """What somebody sent with the account's login; a forward of others' mail is nobody's sign."""
    logins = [find.who.lower() for find in finds if find.what == "spam" and find.is_login]
    by_address = {account.address: account for account in Account.objects.filter(address__in=logins)}
    now = timezone.now()
    FoundSpam.objects.filter(at__lte=now - PERIOD).delete()
    FoundSpam.objects.bulk_create(
        FoundSpam(account=by_address[login], at=now) for login in logins if login in by_address
    )


def who_sends_spam(now: datetime) -> Iterator[Suspect]:
    """Accounts above their threshold, counted since they were let go last."""
    recent = FoundSpam.objects.filter(at__gt=now - PERIOD)
    suspects = recent.values_list("account", flat=True).annotate(n=Count("id")).order_by()
    for account in Account.objects.with_mailbox().filter(pk__in=list(suspects)).select_related("domain"):
        mine = recent.filter(account=account)
        if (since := let_go_at(account)) is not None:
            mine = mine.filter(at__gt=since)
        found, threshold = mine.count(), threshold_of(account, "spam")
        if threshold and found > threshold:
            yield Suspect(account, found, threshold)
