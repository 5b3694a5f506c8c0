"""When will a mailbox be full? Told from what it held one to two weeks ago."""

from __future__ import annotations

import datetime
import math

from django.db.models import F, Q

from accounts.models import MailboxUsage

WINDOW = datetime.timedelta(days=7)
# Further away it is a guess about somebody's life, not about a mailbox.
MOST_DAYS = 365


def keep_samples(today: datetime.date) -> None:
    """Once a week remember what each mailbox holds. Twice a day is once."""
    due = Q(week_ago_on=None) | Q(week_ago_on__lte=today - WINDOW)
    MailboxUsage.objects.filter(due).update(
        before_bytes=F("week_ago_bytes"),
        before_on=F("week_ago_on"),
        week_ago_bytes=F("used_bytes"),
        week_ago_on=today,
    )


def days_until_full(usage: MailboxUsage, quota_bytes: int, today: datetime.date) -> int | None:
    """None where it does not grow, is unlimited, is full already, or nothing is known of the past."""
    left = quota_bytes - usage.used_bytes
    samples = [(usage.before_on, usage.before_bytes), (usage.week_ago_on, usage.week_ago_bytes)]
    for day, held in samples:
        if day is None or held is None or day >= today:
            continue
        grown = usage.used_bytes - held
        if quota_bytes == 0 or left <= 0 or grown <= 0:
            return None
        days = math.ceil(left * (today - day).days / grown)
        return days if days <= MOST_DAYS else None
    return None
