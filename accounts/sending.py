"""How much may be sent: by one account, by a domain, by the whole server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from accounts.actor import Actor


class SendingLimitQuerySet(models.QuerySet["SendingLimit"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Who has a role: of its domains. User: the own."""
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        seen = actor.domains().values("pk")
        return self.filter(Q(account=actor.person) | Q(account__domain__in=seen) | Q(domain__in=seen))


class SendingLimit(models.Model):
    """Null is no limit; for an account, that of every account. All periods are sliding ones."""

    class Level(models.TextChoices):
        ACCOUNT = "account", _("one account")
        DOMAIN = "domain", _("all accounts of a domain together")
        SERVER = "server", _("the whole server")
        EVERY_ACCOUNT = "every-account", _("every account that has no limit of its own")

    level = models.CharField(max_length=13, choices=Level)
    account = models.OneToOneField(
        "accounts.Account", models.CASCADE, null=True, blank=True, related_name="sending_limit"
    )
    domain = models.OneToOneField(
        "domains.Domain", models.CASCADE, null=True, blank=True, related_name="sending_limit"
    )
    messages_hour = models.PositiveIntegerField(_("messages an hour"), null=True, blank=True)
    messages_day = models.PositiveIntegerField(_("messages a day"), null=True, blank=True)
    recipients_hour = models.PositiveIntegerField(_("recipients an hour"), null=True, blank=True)
    recipients_day = models.PositiveIntegerField(_("recipients a day"), null=True, blank=True)

    objects = SendingLimitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(level="account", account__isnull=False, domain=None)
                | Q(level="domain", account=None, domain__isnull=False)
                | Q(level__in=["server", "every-account"], account=None, domain=None),
                name="sending_limit_of_its_level",
            ),
            models.UniqueConstraint(
                fields=["level"],
                condition=Q(level__in=["server", "every-account"]),
                name="sending_limit_one_a_level",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level} {self.account or self.domain or ''}".strip()


class SendingUse(models.Model):
    """What was sent lately, as the mail plane counted it. name: an address, a domain, or the server."""

    name = models.CharField(max_length=254, primary_key=True)
    messages_hour = models.PositiveIntegerField(default=0)
    messages_day = models.PositiveIntegerField(default=0)
    recipients_hour = models.PositiveIntegerField(default=0)
    recipients_day = models.PositiveIntegerField(default=0)
    refused_at = models.DateTimeField(null=True, blank=True)
    frees_at = models.DateTimeField(null=True, blank=True)
    refusal = models.CharField(max_length=400, blank=True)
    counted_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
