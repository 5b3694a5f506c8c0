"""Stopping an account's sending, and letting it go again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions import levels
from accounts.actions.sending import must_send
from accounts.actor import Actor
from accounts.models import Account
from accounts.notifying import Notification
from alarms.actions import clear_alarm, raise_alarm
from alarms.words import in_each_language
from audit import record as audit
from enforcement.bounces import whose_mail_comes_back
from enforcement.braking import MEASURES, BrakeThresholds, Incident, Suspect
from enforcement.incident_words import why
from enforcement.spam_sent import who_sends_spam
from qmailux_site.errors import ActionRefused

ALARM = "account.hijacked"
LARGEST = 1_000_000


@transaction.atomic
def set_brake(of: levels.Owner, *, numbers: Mapping[str, int | None], by: Actor) -> BrakeThresholds | None:
    """numbers: any of MEASURES; what is not named stays. of: None is the whole server. A row without numbers
    goes: the level above counts.
    """
    by.must_be_superadmin()
    if isinstance(of, Account):
        must_send(of)
    key = levels.key_of(of)
    row = BrakeThresholds.objects.select_for_update(of=("self",)).filter(**key).first()
    row = row or BrakeThresholds(**key)
    before = levels.numbers_of(row, MEASURES)
    for measure, value in numbers.items():
        if measure not in MEASURES:
            raise TypeError(f"no such measure: {measure}")
        most = 100 if measure == "bounces" else LARGEST
        if value is not None and not 0 <= value <= most:
            raise ActionRefused(measure, _("Enter a number from 0 to %(most)d, or nothing.") % {"most": most})
        setattr(row, measure, value)
    is_kept = levels.keep_unless_empty(row, MEASURES)
    after = levels.numbers_of(row, MEASURES)
    audit.record(by, "brake.set", levels.name_of(of), scope=levels.scope_of(of), before=before, after=after)
    levels.record_change(of)
    return row if is_kept else None


@transaction.atomic
def begin_incident(
    account: Account, *, measure: str, found: int, threshold: int, at: datetime, by: Actor
) -> Incident | None:
    """The brake has seen what a stranger with the password would do: no sending until somebody has looked.
    Reading and incoming mail go on. None when it is stopped already, or when this was seen before.
    """
    by.must_be_superadmin()
    return _begin(account, by, measure=measure, found=found, threshold=threshold, began_at=at)


def stop_whose_mail_comes_back(*, by: Actor) -> int:
    """Returns how many were stopped. People are told by the next run of the alarms."""
    return _stop_all("bounces", whose_mail_comes_back, by)


def stop_who_sends_spam(*, by: Actor) -> int:
    """As stop_whose_mail_comes_back, of what the search of outgoing mail found."""
    return _stop_all("spam", who_sends_spam, by)


def _stop_all(measure: str, suspects: Callable[[datetime], Iterable[Suspect]], by: Actor) -> int:
    now = timezone.now()
    return sum(
        begin_incident(
            each.account, measure=measure, found=each.found, threshold=each.threshold, at=now, by=by
        )
        is not None
        for each in list(suspects(now))
    )


@transaction.atomic
def stop_sending(account: Account, *, reason: str, by: Actor) -> Incident:
    """By hand, for a suspicion. Reading and incoming mail go on; what waits in the queue is held.

    Refused: without a reason, and for an account that is stopped already.
    """
    by.must_outrank(account)
    if by.person is not None and by.person.pk == account.pk:
        raise ActionRefused("", _("You cannot stop the account you are logged in with."))
    if not reason.strip():
        raise ActionRefused("reason", _("Say why: the others will read it."))
    incident = _begin(account, by, measure="person", reason=reason.strip()[:200], began_at=timezone.now())
    if incident is None:
        raise ActionRefused("", _("%(address)s is stopped already.") % {"address": account.address})
    return incident


@transaction.atomic
def end_incident(incident: Incident, *, by: Actor) -> Incident:
    """The account sends again, and is counted anew. Mail on hold stays there until somebody releases or
    deletes it.
    """
    account = Account.objects.select_for_update(of=("self",)).select_related("domain__node")
    owner = account.get(pk=incident.account_id)
    by.must_outrank(owner)
    fresh = Incident.objects.select_for_update(of=("self",)).get(pk=incident.pk)
    if not fresh.is_open:
        return fresh
    fresh.ended_at, fresh.ended_by = timezone.now(), by.name()
    fresh.save(update_fields=["ended_at", "ended_by"])
    audit.record(by, "account.sending_allowed", owner.address, scope=levels.scope_of(owner))
    clear_alarm(ALARM, about=about_of(fresh))
    levels.record_change(owner)
    return fresh


def _begin(
    account: Account,
    by: Actor,
    *,
    measure: str,
    began_at: datetime,
    found: int = 0,
    threshold: int = 0,
    reason: str = "",
) -> Incident | None:
    owner = Account.objects.select_for_update(of=("self",)).select_related("domain__node").get(pk=account.pk)
    must_send(owner)
    seen = Q(ended_at=None) | Q(began_at=began_at) | Q(ended_at__gte=began_at)
    if Incident.objects.filter(seen, account=owner).exists():
        return None
    incident = Incident.objects.create(
        account=owner,
        measure=measure,
        found=found,
        threshold=threshold,
        reason=reason,
        began_at=began_at,
        began_by=by.name(),
    )
    audit.record(
        by,
        "account.sending_stopped",
        owner.address,
        scope=levels.scope_of(owner),
        measure=measure,
        found=found,
        threshold=threshold,
        reason=reason,
    )
    _tell(incident, owner)
    levels.record_change(owner)
    return incident


def _tell(incident: Incident, owner: Account) -> None:
    """Superadmins and the domain's postmasters, beside those who are told of every alarm."""
    raise_alarm(
        ALARM,
        about=about_of(incident),
        tells=_keepers_of(owner),
        account=owner.address,
        why=in_each_language(lambda: why(incident)),
        path=reverse("incident", args=[incident.pk]),
    )


def _keepers_of(owner: Account) -> list[tuple[str, str]]:
    keepers = Account.objects.filter(Q(is_superuser=True) | Q(managed_domains=owner.domain)).distinct()
    mailboxes = keepers.with_mailbox().exclude(pk=owner.pk).values_list("address", flat=True)
    numbers = Notification.objects.filter(account__in=keepers.exclude(pk=owner.pk)).exclude(number="")
    return [
        *(("mail", address) for address in mailboxes.order_by("address")),
        *(("sms", number) for number in sorted(set(numbers.values_list("number", flat=True)))),
    ]


def about_of(incident: Incident) -> str:
    """Each incident is told, however soon it follows the last."""
    return f"incident {incident.pk}"
