"""What is wrong with the server, since when, who knows of it, and who has been told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Language

if TYPE_CHECKING:
    from accounts.actor import Actor

DEFAULT_QUEUE_LIMIT = 500


class AlarmQuerySet(models.QuerySet["Alarm"]):
    def visible_to(self, actor: Actor) -> Self:
        """Those who see the whole server."""
        return self if actor.sees_everything else self.none()

    def open(self) -> Self:
        """Those that nobody takes care of come first."""
        return self.filter(cleared_at=None).order_by(F("acknowledged_at").asc(nulls_first=True), "-id")

    def past(self) -> Self:
        return self.exclude(cleared_at=None)


class Alarm(models.Model):
    """One trouble from its beginning to its end. name: a kind that alarms.words knows; about: of what.

    tells: (channel, recipient) of those whom it concerns, beside who is told of every alarm.
    """

    class Told(models.TextChoices):
        NOTHING = ""
        RAISED = "raised"
        CLEARED = "cleared"

    name = models.CharField(max_length=60)
    about = models.CharField(max_length=254, blank=True)
    details = models.JSONField(default=dict)
    tells = models.JSONField(default=list, db_default=[])
    # How often it came back within a short time of its end.
    count = models.PositiveIntegerField(default=1)
    raised_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    cleared_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=254, blank=True)
    told = models.CharField(max_length=8, choices=Told, default=Told.NOTHING, blank=True)
    told_at = models.DateTimeField(null=True, blank=True)

    objects = AlarmQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["name", "about"], condition=Q(cleared_at=None), name="alarm_open_once"
            ),
            models.CheckConstraint(condition=Q(told__in=["", "raised", "cleared"]), name="alarm_told_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.about}".strip()

    @property
    def is_open(self) -> bool:
        return self.cleared_at is None


class AlarmMessage(models.Model):
    """Somebody is to be told of an alarm, in one way. Tried again until it is delivered or too old.

    recipient: an address or a number; "" for mail to all who are told of every alarm.
    """

    class Channel(models.TextChoices):
        MAIL = "mail", _("mail")
        WEBHOOK = "webhook", _("webhook")
        SMS = "sms", _("SMS")

    alarm = models.ForeignKey(Alarm, models.CASCADE, related_name="messages")
    channel = models.CharField(max_length=8, choices=Channel)
    recipient = models.CharField(max_length=254, blank=True, db_default="", default="")
    event = models.CharField(max_length=8)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    next_try_at = models.DateTimeField(null=True, db_index=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(channel__in=["mail", "webhook", "sms"]), name="alarm_channel_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.channel}"

    @property
    def is_given_up(self) -> bool:
        return self.delivered_at is None and self.next_try_at is None


class AlarmSettings(models.Model):
    """One row: who is told, and from when on. The webhook's address lies in a file (alarms.secret)."""

    mail_addresses = models.JSONField(default=list, blank=True)
    sms_numbers = models.JSONField(default=list, blank=True, db_default=[])
    webhook_host = models.CharField(max_length=253, blank=True)
    language = models.CharField(max_length=2, choices=Language, default=Language.ENGLISH)
    queue_limit = models.PositiveIntegerField(default=DEFAULT_QUEUE_LIMIT)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="alarm_settings_one_row")]

    def __str__(self) -> str:
        return "alarms"


def settings_in_force() -> AlarmSettings:
    """The defaults until somebody has chosen."""
    return AlarmSettings.objects.filter(pk=1).first() or AlarmSettings(pk=1)


def plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """What can be kept: text and numbers, and texts by language."""
    return {name: _plain(value) for name, value in details.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain(value)
    return value if isinstance(value, int) else str(value)[:2000]
