"""Whose mail leaves by the address that is kept for suspected mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.models import Account
    from domains.models import Domain, Smarthost


class Quarantine(models.Model):
    """An account or a whole domain, from its beginning until the row goes. Its own settings stay as they are,
    so the end brings back what was before. since_by: the person's address, which outlives the account.
    """

    address = models.ForeignKey("domains.IPAddress", models.PROTECT, related_name="quarantines")
    domain = models.OneToOneField(
        "domains.Domain", models.CASCADE, null=True, blank=True, related_name="quarantine"
    )
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="quarantine"
    )
    since = models.DateTimeField(auto_now_add=True)
    since_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(domain__isnull=False, account=None) | Q(domain=None, account__isnull=False),
                name="quarantine_of_one",
            )
        ]

    def __str__(self) -> str:
        return str(self.account or self.domain)


def quarantine_of(owner: Account | Domain) -> Quarantine | None:
    """The owner's own; an account's domain may have another."""
    field = str(owner._meta.model_name)
    return Quarantine.objects.select_related("address").filter(**{field: owner}).first()


def smarthost_of(owner: Account | Domain) -> Smarthost | None:
    """The domain's own, which sends on what is suspected: the others see its address, not ours."""
    return getattr(getattr(owner, "domain", owner), "smarthost", None)
