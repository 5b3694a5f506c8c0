"""Every change of alarms.

Any part of the server raises and clears its own: ``raise_alarm("disk.low", about="local", free="2 GB")`` as
often as it likes, ``clear_alarm("disk.low", about="local")`` when it is over. Who is told, when and how often
is decided by alarms.delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.notification import mobile_number
from accounts.actor import Actor
from accounts.addresses import parse_address
from alarms import secret
from alarms.models import Alarm, AlarmMessage, AlarmSettings, plain, settings_in_force
from alarms.words import WORDS, Detail
from audit import record as audit
from qmailux_site.errors import ActionRefused

# What comes back so soon after its end is the same trouble.
QUIET = timedelta(minutes=10)
MOST_ADDRESSES = 10
MOST_QUEUED = 10_000_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong at this moment."""

    name: str
    about: str = ""
    details: Mapping[str, Detail] = field(default_factory=dict)


def raise_alarm(
    name: str, *, about: str = "", tells: Sequence[tuple[str, str]] = (), **details: Detail
) -> Alarm:
    """It is wrong now. While it is open, a repeated call brings it up to date and tells nobody again.

    name: one that alarms.words knows, else TypeError; details: what its sentence names; tells: of Alarm.
    """
    if name not in WORDS:
        raise TypeError(f"no such alarm: {name}; it needs an entry in alarms/words.py")
    now, about = timezone.now(), about[:254]
    _reopen(name, about)
    values = {"details": plain(details), "seen_at": now, "tells": [list(pair) for pair in tells]}
    alarm, is_new = Alarm.objects.get_or_create(
        name=name, about=about, cleared_at=None, defaults={**values, "raised_at": now}
    )
    if not is_new:
        Alarm.objects.filter(pk=alarm.pk).update(**values)
    return alarm


def clear_alarm(name: str, *, about: str = "") -> bool:
    """It is over. Returns whether it was open."""
    opened = Alarm.objects.open().filter(name=name, about=about[:254])
    return opened.update(cleared_at=timezone.now()) > 0


def settle_alarms(names: Sequence[str], troubles: Iterable[Trouble], *, of: str) -> None:
    """All troubles of these kinds, of one part of the server: what is not among them is over.

    of: what "about" begins with, such as a node's name.
    """
    still = set()
    for trouble in troubles:
        raise_alarm(trouble.name, about=trouble.about, tells=(), **trouble.details)
        still.add((trouble.name, trouble.about[:254]))
    for name, about in Alarm.objects.open().filter(name__in=names).values_list("name", "about"):
        if (name, about) not in still and about.split(" ")[0] == of:
            clear_alarm(name, about=about)


@transaction.atomic
def acknowledge_alarm(alarm: Alarm, *, by: Actor) -> Alarm:
    """Somebody takes care: the others see who. It stays open until it is over, and is not told again."""
    by.must_be_superadmin()
    fresh = Alarm.objects.select_for_update().get(pk=alarm.pk)
    if fresh.acknowledged_at is None:
        fresh.acknowledged_at = timezone.now()
        fresh.acknowledged_by = by.real.address if by.real else "console"
        fresh.save(update_fields=["acknowledged_at", "acknowledged_by"])
        audit.record(by, "alarm.acknowledged", str(fresh))
    return fresh


@transaction.atomic
def set_alarm_settings(
    *,
    mail_addresses: Sequence[str] | None = None,
    sms_numbers: Sequence[str] | None = None,
    webhook_url: str | None = None,
    webhook_key: str = "",
    language: str | None = None,
    queue_limit: int | None = None,
    by: Actor,
) -> AlarmSettings:
    """Who is told. What is None stays; an empty webhook_url takes the webhook away."""
    by.must_be_superadmin()
    chosen = settings_in_force()
    if mail_addresses is not None:
        chosen.mail_addresses = _checked(mail_addresses)
    if queue_limit is not None:
        if not 1 <= queue_limit <= MOST_QUEUED:
            raise ActionRefused("queue_limit", _("Enter a number of messages, at least 1."))
        chosen.queue_limit = queue_limit
    if language is not None:
        chosen.language = language
    if sms_numbers is not None:
        chosen.sms_numbers = _checked_numbers(sms_numbers, language=chosen.language)
    if webhook_url is not None:
        webhook = _webhook(webhook_url, webhook_key)
        chosen.webhook_host = urlsplit(webhook.url).hostname or "" if webhook else ""
        secret.write(webhook)
    chosen.full_clean(validate_constraints=False, validate_unique=False)
    chosen.save()
    audit.record(
        by,
        "alarm.settings_set",
        "alarms",
        targets=list(chosen.mail_addresses),
        numbers=list(chosen.sms_numbers),
        webhook=chosen.webhook_host,
        limit=chosen.queue_limit,
    )
    return chosen


@transaction.atomic
def send_test_alarm(*, by: Actor) -> list[AlarmMessage]:
    """A message in every way that is set up, so that one knows that they work before they are needed."""
    by.must_be_superadmin()
    now = timezone.now()
    alarm = Alarm.objects.create(
        name="test",
        about=by.real.address if by.real else "console",
        raised_at=now,
        seen_at=now,
        cleared_at=now,
        told=Alarm.Told.CLEARED,
        told_at=now,
    )
    messages = messages_for(alarm, "test")
    if not messages:
        raise ActionRefused("", _("Nobody would be told: enter an address or a webhook first."))
    audit.record(by, "alarm.tested", "alarms")
    return messages


def messages_for(alarm: Alarm, event: str) -> list[AlarmMessage]:
    """One for each way that is set up, and for those whom it concerns; sent by the next run of the tasks."""
    chosen, now = settings_in_force(), timezone.now()
    channels = AlarmMessage.Channel
    # A letter each: they may read different languages.
    ways: list[tuple[str, str]] = [(channels.MAIL, address) for address in chosen.mail_addresses]
    if chosen.webhook_host:
        ways.append((channels.WEBHOOK, ""))
    ways += [(channels.SMS, number) for number in chosen.sms_numbers]
    ways += [(channel, name) for channel, name in alarm.tells]
    if event == Alarm.Told.CLEARED:
        # A text wakes people up: that it is over can wait until they look.
        ways = [way for way in ways if way[0] != channels.SMS]
    rows = (
        AlarmMessage(alarm=alarm, channel=channel, recipient=recipient, event=event, next_try_at=now)
        for channel, recipient in dict.fromkeys(ways)
    )
    return AlarmMessage.objects.bulk_create(rows)


def _reopen(name: str, about: str) -> None:
    """What ended a moment ago goes on: one row, one acknowledgement."""
    last = Alarm.objects.filter(name=name, about=about).order_by("-id").first()
    now = timezone.now()
    if last is None or last.cleared_at is None or last.cleared_at < now - QUIET:
        return
    try:
        with transaction.atomic():
            Alarm.objects.filter(pk=last.pk).update(cleared_at=None, seen_at=now, count=last.count + 1)
    except IntegrityError:
        return  # somebody else has raised it at this moment


def _checked(addresses: Sequence[str]) -> list[str]:
    if len(addresses) > MOST_ADDRESSES:
        raise ActionRefused(
            "mail", _("There can be at most %(limit)d addresses.") % {"limit": MOST_ADDRESSES}
        )
    try:
        return sorted({str(parse_address(address)) for address in addresses})
    except ActionRefused as refusal:
        raise ActionRefused("mail", refusal.message) from refusal


def _checked_numbers(numbers: Sequence[str], *, language: str) -> list[str]:
    if len(numbers) > MOST_ADDRESSES:
        raise ActionRefused("sms", _("There can be at most %(limit)d numbers.") % {"limit": MOST_ADDRESSES})
    try:
        return sorted({mobile_number(number, language=language) for number in numbers})
    except ActionRefused as refusal:
        raise ActionRefused("sms", refusal.message) from refusal


def _webhook(url: str, key: str) -> secret.Webhook | None:
    url = url.strip()
    if not url:
        return None
    parts = urlsplit(url)
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain or len(url) > 1000:
        raise ActionRefused("webhook", _("Enter an address that begins with https:// or http://."))
    return secret.Webhook(url, key.strip())
