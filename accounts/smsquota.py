"""How many SMS an account may still send this month. The domain's numbers are the superadmin's."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from accounts.models import Account
from accounts.notifying import SmsMessage

_COUNTED = (SmsMessage.State.SENT, SmsMessage.State.WAITING)


def sms_left(account: Account) -> int | None:
    """The smaller of what account and domain have left; None is no limit. What is on its way counts."""
    domain = account.domain
    if domain is None:
        return 0
    this_month = SmsMessage.objects.filter(made_at__gte=month_began(), state__in=_COUNTED)
    left = []
    if domain.max_account_sms is not None:
        left.append(domain.max_account_sms - this_month.filter(account=account).count())
    if domain.max_sms is not None:
        left.append(domain.max_sms - this_month.filter(account__domain=domain).count())
    return max(0, min(left)) if left else None


def month_began() -> datetime:
    return timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
