"""Telling people of alarms: whom, when, and again until it works.

A trouble is told once at its beginning and once at its end. One that comes and goes is told again after ten
minutes only; one that somebody has acknowledged is not told again at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import override

from alarms.actions import QUIET, messages_for
from alarms.models import Alarm, AlarmMessage, settings_in_force

log = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=1)
# Long enough for one try: nobody else takes the message meanwhile.
LEASE = timedelta(minutes=2)
MESSAGES_A_RUN = 50
KEPT = timedelta(days=365)


class NotDelivered(Exception):
    """Worth another try. The text is shown to superadmins, so it holds no secret."""


def note_what_is_to_be_told() -> None:
    """Leave messages for what began or ended since."""
    now = timezone.now()
    calm = Q(told_at=None) | Q(told_at__lte=now - QUIET)
    began = Alarm.objects.open().filter(calm, acknowledged_at=None).exclude(told=Alarm.Told.RAISED)
    for alarm in began:
        _tell(alarm, Alarm.Told.RAISED, now)
    for alarm in Alarm.objects.past().filter(told=Alarm.Told.RAISED):
        _tell(alarm, Alarm.Told.CLEARED, now)


def deliver(
    channel: str,
    send: Callable[[AlarmMessage], None],
    *,
    wanted: Callable[[AlarmMessage], bool] = lambda _message: True,
) -> int:
    """Send what is due in one way; returns how many were delivered. A failure is noted and tried again."""
    due = AlarmMessage.objects.filter(channel=channel, next_try_at__lte=timezone.now())
    messages = [message for message in due.select_related("alarm")[:MESSAGES_A_RUN] if wanted(message)]
    return sum(_try(message, send) for message in messages)


def forget_old_alarms() -> None:
    """What was over a year ago."""
    Alarm.objects.filter(cleared_at__lt=timezone.now() - KEPT).delete()


def _tell(alarm: Alarm, what: Alarm.Told, now: datetime) -> None:
    """Whoever changes the row first leaves the messages."""
    untold = Alarm.objects.filter(pk=alarm.pk, told=alarm.told)
    if untold.update(told=what, told_at=now):
        messages_for(alarm, what)


def _try(message: AlarmMessage, send: Callable[[AlarmMessage], None]) -> bool:
    now = timezone.now()
    mine = AlarmMessage.objects.filter(pk=message.pk, next_try_at=message.next_try_at)
    if not mine.update(next_try_at=now + LEASE, attempts=message.attempts + 1):
        return False
    try:
        # Superadmins read what it says of a failure.
        with override(settings_in_force().language):
            send(message)
    except NotDelivered as error:
        pause = min(FIRST_PAUSE * 2 ** min(message.attempts, 10), LONGEST_PAUSE)
        is_too_old = now + pause > message.created_at + GIVE_UP_AFTER
        message.next_try_at = None if is_too_old else now + pause
        message.error = str(error)[:500]
        message.save(update_fields=["next_try_at", "error"])
        log.warning("alarm not told channel=%s alarm=%s: %s", message.channel, message.alarm, message.error)
        return False
    message.next_try_at, message.delivered_at, message.error = None, timezone.now(), ""
    message.save(update_fields=["next_try_at", "delivered_at", "error"])
    return True
