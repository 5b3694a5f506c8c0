"""From a noticed mail to an SMS: who is told when, and again until it works.

Workers run it every few seconds. A mail is told of alone while the hour has room; what comes in quiet hours
or past the hour's number is held, and told of together as soon as it may be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import ngettext, override

from accounts.door import may_enter
from accounts.gateways import NotSent, SendMail, gateway_of
from accounts.models import Account
from accounts.notifying import NoticedMail, Notification, SmsGateway, SmsMessage
from accounts.smsquota import sms_left
from accounts.smstext import about_mail, digest

log = logging.getLogger(__name__)

PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=20), timedelta(hours=1))
# Long enough for one try of every gateway: nobody else takes the message meanwhile.
LEASE = timedelta(minutes=3)
CODE_GIVEN_UP_AFTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
MESSAGES_A_RUN = 50
MAILS_A_RUN = 500
KEPT = timedelta(days=62)


def tell_noticed() -> int:
    """Make messages of the mails that may be told of now; returns how many messages."""
    waiting = NoticedMail.objects.filter(told_at=None).values_list("account_id", flat=True)
    return sum(_tell_account(pk) for pk in waiting.order_by("account_id").distinct())


def send_due(kind: str, mailer: Callable[[Account], SendMail] | None = None) -> int:
    """Send what is due through gateways of one kind; returns how many went. A failure is noted for the owner
    and tried again, through the next gateway where there is one.
    """
    gateways = list(SmsGateway.objects.filter(is_on=True))
    due = SmsMessage.objects.filter(state=SmsMessage.State.WAITING, next_try_at__lte=timezone.now())
    sent = 0
    for message in due.select_related("account__domain__node").order_by("id")[:MESSAGES_A_RUN]:
        chosen = gateways[message.attempts % len(gateways)] if gateways else None
        if chosen is not None and chosen.kind == kind:
            sent += _try(message, chosen, mailer(message.account) if mailer else None)
    return sent


def forget_old() -> None:
    """Two months show what happened; the month's count needs no more."""
    SmsMessage.objects.filter(made_at__lt=timezone.now() - KEPT).delete()
    NoticedMail.objects.filter(told_at__lt=timezone.now() - HOUR).delete()


def is_quiet(notification: Notification, now: datetime) -> bool:
    """Quiet hours may pass midnight."""
    begin, end = notification.quiet_from, notification.quiet_until
    if begin is None or end is None:
        return False
    here: time = timezone.localtime(now).time()
    return begin <= here < end if begin < end else here >= begin or here < end


@transaction.atomic
def _tell_account(account_id: int) -> int:
    account = Account.objects.select_for_update(of=("self",)).filter(pk=account_id).first()
    if account is None:
        return 0
    now = timezone.now()
    mails = list(NoticedMail.objects.filter(account=account, told_at=None)[:MAILS_A_RUN])
    notification = Notification.objects.filter(account=account).first()
    if notification is None or not notification.counts or not may_enter(account):
        _told(mails, now)
        return 0
    room = 0 if is_quiet(notification, now) else _room_in_hour(account, notification, now)
    made = 0
    held = [mail for mail in mails if mail.is_held]
    if held and room:
        # All that waits in one message, and what has come since with it.
        _queue(account, notification, mails, now)
        return 1
    for mail in mails:
        if held or made >= room:
            NoticedMail.objects.filter(pk=mail.pk).update(is_held=True)
        else:
            _queue(account, notification, [mail], now)
            made += 1
    return made


def _room_in_hour(account: Account, notification: Notification, now: datetime) -> int:
    kinds = (SmsMessage.Kind.MAIL, SmsMessage.Kind.DIGEST)
    recent = SmsMessage.objects.filter(account=account, kind__in=kinds, made_at__gt=now - HOUR)
    return max(0, notification.most_an_hour - recent.count())


def _queue(account: Account, notification: Notification, mails: Sequence[NoticedMail], now: datetime) -> None:
    left = sms_left(account)
    is_allowed = left is None or left > 0
    SmsMessage.objects.create(
        account=account,
        kind=SmsMessage.Kind.MAIL if len(mails) == 1 else SmsMessage.Kind.DIGEST,
        state=SmsMessage.State.WAITING if is_allowed else SmsMessage.State.NO_QUOTA,
        number=notification.number,
        text=_text(account, mails) if is_allowed else "",
        next_try_at=now if is_allowed else None,
    )
    _told(mails, now)


def _text(account: Account, mails: Sequence[NoticedMail]) -> str:
    if len(mails) == 1:
        return about_mail(mails[0].sender, mails[0].subject)
    with override(account.language):
        count = len(mails)
        heading = ngettext("%(count)d new message:", "%(count)d new messages:", count) % {"count": count}
    return digest(heading, [mail.subject for mail in mails])


def _told(mails: Sequence[NoticedMail], now: datetime) -> None:
    NoticedMail.objects.filter(pk__in=[mail.pk for mail in mails]).update(told_at=now, sender="", subject="")


def _try(message: SmsMessage, settings: SmsGateway, send_mail: SendMail | None) -> bool:
    now = timezone.now()
    mine = SmsMessage.objects.filter(Q(pk=message.pk), next_try_at=message.next_try_at)
    if not mine.update(next_try_at=now + LEASE, attempts=message.attempts + 1):
        return False
    message.gateway = settings.name
    try:
        gateway_of(settings).send(message.number, message.text, send_mail)
    except NotSent as error:
        _note_failure(message, error.code, now)
        log.warning("sms not sent message=%s gateway=%s: %s", message.pk, settings.name, error.code)
        return False
    message.state, message.sent_at, message.next_try_at = SmsMessage.State.SENT, timezone.now(), None
    message.error = message.text = ""
    message.save(update_fields=["state", "sent_at", "next_try_at", "error", "text", "gateway"])
    return True


def _note_failure(message: SmsMessage, code: str, now: datetime) -> None:
    is_last = message.attempts >= len(PAUSES)
    if message.kind == SmsMessage.Kind.CODE and now - message.made_at > CODE_GIVEN_UP_AFTER:
        is_last = True
    message.error = code
    if is_last:
        message.state, message.next_try_at, message.text = SmsMessage.State.FAILED, None, ""
    else:
        message.next_try_at = now + PAUSES[message.attempts]
    message.save(update_fields=["state", "next_try_at", "error", "text", "gateway"])
