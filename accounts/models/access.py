"""What an account gets in with, and when and how it did; how much it uses."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models.account import Account
from accounts.querysets import AppPasswordQuerySet

MAIL_PROTOCOLS = {"imap": "IMAP", "pop3": "POP3", "managesieve": "ManageSieve", "smtp": "SMTP"}


class AppPassword(models.Model):
    """A password for one mail program, beside the main one. Its first characters, the selector, find it."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="app_passwords")
    name = models.CharField(_("name"), max_length=60)
    selector = models.CharField(max_length=8, unique=True)
    password = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_protocol = models.CharField(max_length=12, blank=True, default="", db_default="")
    last_used_address = models.CharField(max_length=45, blank=True, default="", db_default="")

    objects = AppPasswordQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="app_password_name_once_in_account"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def last_used_label(self) -> str:
        return MAIL_PROTOCOLS.get(self.last_used_protocol, self.last_used_protocol)


class MailboxUsage(models.Model):
    """Counted by the mail plane, copied here every few minutes: when, says the node's usage_counted_at."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="usage")
    used_bytes = models.BigIntegerField()
    message_count = models.BigIntegerField()
    # What was used one and two weeks ago or more (accounts.growth), once it is known.
    week_ago_bytes = models.BigIntegerField(null=True)
    week_ago_on = models.DateField(null=True)
    before_bytes = models.BigIntegerField(null=True)
    before_on = models.DateField(null=True)

    def __str__(self) -> str:
        return str(self.account_id)


class LastLogin(models.Model):
    """The newest login of an account through one door: the panel, or a protocol of mail."""

    PANEL = "panel"

    account = models.ForeignKey(Account, models.CASCADE, related_name="last_logins")
    protocol = models.CharField(max_length=12)
    address = models.CharField(max_length=45)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(fields=["account", "protocol"], name="last_login_once_a_protocol"),
        ]

    def __str__(self) -> str:
        return f"{self.protocol} {self.address}"

    @property
    def label(self) -> str:
        return MAIL_PROTOCOLS.get(self.protocol) or str(_("panel"))
