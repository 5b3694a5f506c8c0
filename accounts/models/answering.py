"""Where an account's mail goes besides its mailbox, how it answers, and what its owner is told by mail."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils import timezone

from accounts.models.account import Account

# Dovecot cuts the subject of an answer at 256 characters.
MOST_SUBJECT = 250


class Forwarding(models.Model):
    """Where an account's mail goes besides, or instead of, its mailbox. Without targets there is no row."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="forwarding")
    keeps_copy = models.BooleanField(default=True)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.account_id}"


class ForwardingTarget(models.Model):
    """One address that the mail of an account is forwarded to."""

    forwarding = models.ForeignKey(Forwarding, models.CASCADE, related_name="targets")
    address = models.CharField(max_length=254, db_index=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["forwarding", "address"], name="forwarding_target_once"),
            models.CheckConstraint(
                condition=Q(address=Lower("address")), name="forwarding_target_is_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return self.address


class Autoresponder(models.Model):
    """The answer to who writes while the owner is away. The days count whole, both included."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="autoresponder")
    is_on = models.BooleanField(default=True)
    subject = models.CharField(max_length=MOST_SUBJECT)
    text = models.TextField()
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    interval_hours = models.PositiveIntegerField(default=7 * 24)
    # Whom it has answered is remembered under this number: a higher one begins anew.
    period = models.PositiveIntegerField(default=1)
    period_since = models.DateTimeField(default=timezone.now, db_default=Now())
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(interval_hours__gte=1), name="autoresponder_interval_has_floor"
            ),
            models.CheckConstraint(
                condition=Q(starts_on__isnull=True)
                | Q(ends_on__isnull=True)
                | Q(ends_on__gte=models.F("starts_on")),
                name="autoresponder_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}"


class Notice(models.Model):
    """A letter to the owner that has not been sent yet. detail: a name that the sentence needs."""

    class Kind(models.TextChoices):
        PASSWORD = "password"  # noqa: S105  # a kind
        SECOND_FACTOR_ON = "second_factor_on"
        SECOND_FACTOR_OFF = "second_factor_off"
        APP_PASSWORD = "app_password"  # noqa: S105  # a kind
        APP_PASSWORD_GONE = "app_password_gone"  # noqa: S105  # a kind
        FORWARDING = "forwarding"
        IMPERSONATION = "impersonation"
        NOT_TAUGHT = "not_taught"
        RECOVERY_ADDRESS = "recovery_address"
        RECOVERY_ADDRESS_GONE = "recovery_address_gone"
        RECOVERY_CODE = "recovery_code"

    account = models.ForeignKey(Account, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=24)
    detail = models.CharField(max_length=254, blank=True)
    reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    address = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.kind
