"""Autoresponder: who writes while the owner is away gets an answer, once in a while."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.answered import AnsweredSender
from accounts.models import MOST_SUBJECT, Account, Alias, Autoresponder
from accounts.texts import one_line, paragraphs
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused

# Dovecot remembers whom it answered for as long as the interval.
MOST_INTERVAL_HOURS = 365 * 24
MOST_TEXT_BYTES = 64 * 1024
# Each who was forgotten alone stands in the script.
MOST_FORGOTTEN = 500


def set_autoresponder(
    account: Account,
    *,
    is_on: bool,
    subject: str,
    text: str,
    starts_on: date | None = None,
    ends_on: date | None = None,
    interval_hours: int,
    by: Actor,
) -> None:
    """Answer with this text from the first to the last day. Refused: no subject or text, an end before the
    start, an end that is over.

    Whom it has answered is forgotten when it is switched on again or its first day changes.
    """
    by.must_be(account)
    domain = account.domain
    if domain is None or not account.has_mailbox:
        raise ActionRefused("", _("This login has no mailbox."))
    subject = one_line(subject, field="subject", most_characters=MOST_SUBJECT)
    text = paragraphs(text, field="text", most_bytes=MOST_TEXT_BYTES)
    _check(subject, text, interval_hours)
    _check_days(starts_on, ends_on, is_on=is_on)
    with transaction.atomic():
        fresh = Account.objects.select_for_update(of=("self",)).get(pk=account.pk)
        before = Autoresponder.objects.filter(account=fresh).first()
        is_new_period = before is not None and is_on and (not before.is_on or before.starts_on != starts_on)
        Autoresponder.objects.update_or_create(
            account=fresh,
            defaults={
                "is_on": is_on,
                "subject": subject,
                "text": text,
                "starts_on": starts_on,
                "ends_on": ends_on,
                "interval_hours": interval_hours,
            },
        )
        if is_new_period:
            _begin_period(fresh)
        audit.record(
            by,
            "account.autoresponder_set",
            account.address,
            scope=domain.name,
            is_on=is_on,
            starts_on=str(starts_on or ""),
            ends_on=str(ends_on or ""),
        )
        outbox.record(domain.scope, [account.address], nodes=[domain.node])


@transaction.atomic
def forget_answered(account: Account, *, by: Actor) -> None:
    """Everybody is answered anew."""
    by.must_be(account)
    domain = account.domain
    if domain is None or not _begin_period(account):
        raise ActionRefused("", _("There is no autoresponder yet."))
    audit.record(by, "account.autoresponder_forgot", account.address, scope=domain.name)
    outbox.record(domain.scope, [account.address], nodes=[domain.node])


@transaction.atomic
def forget_answered_sender(sender: AnsweredSender, *, by: Actor) -> None:
    """The next letter of this one sender is answered, whenever it comes. Refused: too many, one by one."""
    account = sender.autoresponder.account
    by.must_be(account)
    fresh = Account.objects.select_for_update(of=("self",)).select_related("domain__node").get(pk=account.pk)
    forgotten = AnsweredSender.objects.filter(autoresponder=sender.autoresponder, times_forgotten__gt=0)
    if forgotten.exclude(pk=sender.pk).count() >= MOST_FORGOTTEN:
        raise ActionRefused("", _("So many were forgotten one by one: answer everybody anew instead."))
    AnsweredSender.objects.filter(pk=sender.pk).update(
        answered_at=None, times_forgotten=F("times_forgotten") + 1
    )
    if fresh.domain is not None:
        Autoresponder.objects.filter(account=fresh).update(changed_at=timezone.now())
        audit.record(
            by,
            "account.answered_forgotten",
            fresh.address,
            scope=fresh.domain.name,
            sender=sender.address,
        )
        outbox.record(fresh.domain.scope, [fresh.address], nodes=[fresh.domain.node])


@transaction.atomic
def end_autoresponders(*, by: Actor) -> int:
    """Switch off those whose last day is over, so that nothing runs for them. Returns how many."""
    by.must_be_superadmin()
    over = Autoresponder.objects.filter(is_on=True, ends_on__lt=timezone.localdate())
    ended = list(over.select_for_update(of=("self",)).select_related("account__domain__node"))
    for autoresponder in ended:
        account = autoresponder.account
        if account.domain is None:
            continue
        audit.record(by, "account.autoresponder_ended", account.address, scope=account.domain.name)
        outbox.record(account.domain.scope, [account.address], nodes=[account.domain.node])
    Autoresponder.objects.filter(pk__in=[autoresponder.pk for autoresponder in ended]).update(is_on=False)
    return len(ended)


def answering_for(alias: Alias) -> list[str]:
    """Accounts whose autoresponder answers mail to the alias: their scripts name it."""
    found = Account.objects.filter(alias_targets__alias=alias, autoresponder__is_on=True)
    return sorted(set(found.values_list("address", flat=True)))


def _begin_period(account: Account) -> bool:
    """Nobody has been answered yet; False when there is no autoresponder."""
    now = timezone.now()
    AnsweredSender.objects.filter(autoresponder__account=account).delete()
    stored = Autoresponder.objects.filter(account=account)
    return bool(stored.update(period=F("period") + 1, period_since=now, changed_at=now))


def _check(subject: str, text: str, interval_hours: int) -> None:
    if not subject.strip():
        raise ActionRefused("subject", _("Enter a subject."))
    if not text.strip():
        raise ActionRefused("text", _("Enter a text."))
    if not 1 <= interval_hours <= MOST_INTERVAL_HOURS:
        raise ActionRefused("every", _("Between one hour and 365 days."))


def _check_days(starts_on: date | None, ends_on: date | None, *, is_on: bool) -> None:
    if ends_on is None:
        return
    if starts_on is not None and ends_on < starts_on:
        raise ActionRefused("ends_on", _("The last day lies before the first one."))
    if is_on and ends_on < timezone.localdate():
        raise ActionRefused("ends_on", _("This day is over."))
