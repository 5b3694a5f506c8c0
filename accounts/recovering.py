"""What somebody who has forgotten the password comes back with. Secrets are stored as their hash only."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class RecoveryAddress(models.Model):
    """An address elsewhere that links to a new password are sent to. pending: one that its owner has not
    confirmed yet; the confirmed one counts until then.
    """

    account = models.OneToOneField(
        "accounts.Account", models.CASCADE, primary_key=True, related_name="recovery"
    )
    address = models.CharField(max_length=254, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    pending = models.CharField(max_length=254, blank=True)
    code_hash = models.CharField(max_length=64, blank=True)
    code_sent_at = models.DateTimeField(null=True, blank=True)
    wrong_codes = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.account_id}"


class RecoveryRequest(models.Model):
    """Something that was asked for at the door, or is to be mailed. Counted, so that nobody asks for ever.

    login: what was typed, whether it exists or not; nobody who asks is told which.
    """

    class Kind(models.TextChoices):
        LINK = "link"
        CONFIRMATION = "confirmation"
        WRONG_CODE = "wrong_code"

    kind = models.CharField(max_length=12, choices=Kind)
    login = models.CharField(max_length=254)
    address = models.CharField(max_length=45, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True, db_index=True)
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.login}"


class PasswordReset(models.Model):
    """A secret that lets its bearer choose a new password, once."""

    class Way(models.TextChoices):
        LINK = "link", _("a link by mail")
        CODE = "code", _("a code from the postmaster")

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="password_resets")
    way = models.CharField(max_length=4, choices=Way)
    secret_hash = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    wrong_tries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "way"], name="password_reset_once_a_way"),
        ]

    def __str__(self) -> str:
        return self.way
