"""The brake for hijacked logins: from which numbers on sending is stopped, and each time that it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.rights import Right

if TYPE_CHECKING:
    from accounts.actor import Actor
    from accounts.models import Account

MEASURES: Final = ("messages", "recipients", "bounces", "spam")
# Of people; a newsletter's account gets numbers of its own.
DEFAULTS: Final = {"messages": 90, "recipients": 90, "bounces": 50, "spam": 5}


class BrakeThresholds(models.Model):
    """Null is the level above; 0 never stops. messages, recipients: to strangers within an hour. bounces:
    percent of an hour's mail that came back. spam: messages within an hour that look like spam.
    """

    class Level(models.TextChoices):
        SERVER = "server", _("whole server")
        DOMAIN = "domain", pgettext_lazy("one", "domain")
        ACCOUNT = "account", pgettext_lazy("one", "account")

    level = models.CharField(max_length=8, choices=Level)
    domain = models.OneToOneField(
        "domains.Domain", models.CASCADE, null=True, blank=True, related_name="brake_thresholds"
    )
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="brake_thresholds"
    )
    messages = models.PositiveIntegerField(null=True, blank=True)
    recipients = models.PositiveIntegerField(null=True, blank=True)
    bounces = models.PositiveIntegerField(null=True, blank=True)
    spam = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(level="server", domain=None, account=None)
                | Q(level="domain", domain__isnull=False, account=None)
                | Q(level="account", domain=None, account__isnull=False),
                name="brake_thresholds_have_their_owner",
            ),
            models.UniqueConstraint(
                fields=["level"], condition=Q(level="server"), name="brake_thresholds_one_server"
            ),
            models.CheckConstraint(
                condition=Q(bounces=None) | Q(bounces__lte=100), name="brake_bounces_are_percent"
            ),
        ]

    def __str__(self) -> str:
        return str(self.account or self.domain or "server")


def threshold_of(account: Account, measure: str) -> int:
    """Of the account, else of its domain, else of the server."""
    rows = BrakeThresholds.objects.filter(
        Q(account=account) | Q(domain=account.domain_id) | Q(level="server")
    )
    by_level = {row.level: getattr(row, measure) for row in rows}
    chosen = (by_level.get(level) for level in ("account", "domain", "server"))
    return next((number for number in chosen if number is not None), DEFAULTS[measure])


@dataclass(frozen=True, slots=True)
class Suspect:
    """An account above its threshold. found, threshold: of the measure; bounces are in percent."""

    account: Account
    found: int
    threshold: int


def let_go_at(account: Account) -> datetime | None:
    """What was before the end of the last incident counts no more."""
    last = Incident.objects.filter(account=account).exclude(ended_at=None).first()
    return last.ended_at if last else None


class FoundSpam(models.Model):
    """A message that the account sent and that looked like spam. Kept for the hour in which it counts."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["at"], name="found_spam_at")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.at}"


class IncidentQuerySet(models.QuerySet["Incident"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: of the managed domains."""
        if actor.sees_everything:
            return self
        return self.filter(account__domain__in=actor.domains(Right.MANAGE))

    def open(self) -> Self:
        return self.filter(ended_at=None)


class Incident(models.Model):
    """An account may not send from its beginning to its end; it reads and gets mail all the while.

    found, threshold: of the measure. reason: of a person who stopped it. began_by, ended_by: addresses, which
    outlive the people.
    """

    class Measure(models.TextChoices):
        MESSAGES = "messages", _("messages")
        RECIPIENTS = "recipients", _("recipients")
        BOUNCES = "bounces", _("bounces")
        SPAM = "spam", _("spam")
        PERSON = "person", _("stopped by hand")

    account = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="incidents")
    measure = models.CharField(max_length=10, choices=Measure)
    found = models.PositiveIntegerField(default=0)
    threshold = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=200, blank=True)
    began_at = models.DateTimeField()
    began_by = models.CharField(max_length=254)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=254, blank=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(ended_at=None), name="incident_open_once_an_account"
            ),
            models.CheckConstraint(
                condition=Q(measure__in=["messages", "recipients", "bounces", "spam", "person"]),
                name="incident_measure_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account}"

    @property
    def is_open(self) -> bool:
        return self.ended_at is None
