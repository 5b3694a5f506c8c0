"""The account itself, and what makes its address unique."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.querysets import ALMOST_FULL, NEVER, AccountManager
from provisioning.layout import home_of_account


class State(models.TextChoices):
    ACTIVE = "active", _("active")
    LOCKED = "locked", _("locked")


class LockMode(models.TextChoices):
    """What happens to incoming mail while the object is locked."""

    ACCEPT = "accept", _("accept and keep")
    REJECT = "reject", _("reject")
    DEFER = "defer", _("ask senders to try later")


class Language(models.TextChoices):
    POLISH = "pl", _("Polish")
    ENGLISH = "en", _("English")


class TakenAddress(models.Model):
    """Each mail address is taken once, by an account or by an alias: a constraint that spans both tables."""

    address = models.CharField(max_length=254, primary_key=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(address=Lower("address")), name="taken_address_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.address


class Account(AbstractBaseUser):
    """The login and the mailbox. Without a domain it is an operator: it logs in to the panel and gets no
    mail.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    domain = models.ForeignKey(
        "domains.Domain", models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    localpart = models.CharField(max_length=64)
    address = models.CharField(_("address"), max_length=254, unique=True)
    password = models.CharField(max_length=255)
    name = models.CharField(_("name"), max_length=150, blank=True)
    quota_bytes = models.BigIntegerField(_("quota"), default=0, help_text=_("0 means unlimited"))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.ACTIVE)
    lock_mode = models.CharField(max_length=8, choices=LockMode, default=LockMode.ACCEPT)
    lock_reason = models.CharField(max_length=200, blank=True)
    locked_at = models.DateTimeField(null=True, blank=True)
    locked_by = models.CharField(max_length=254, blank=True, default="", db_default="")
    locked_until = models.DateTimeField(null=True, blank=True, db_index=True)
    language = models.CharField(_("language"), max_length=2, choices=Language, default=Language.POLISH)
    has_mailbox = models.BooleanField(default=True)
    is_superuser = models.BooleanField(_("superadmin"), default=False)
    managed_domains = models.ManyToManyField("domains.Domain", related_name="managers", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    password_changed_at = models.DateTimeField(null=True, blank=True)
    must_change_password = models.BooleanField(default=False, db_default=False)
    second_factor_at = models.DateTimeField(null=True, blank=True)
    # Copies of what MailboxUsage and LastLogin count, here so that lists are sorted and filtered by an index.
    used_bytes = models.BigIntegerField(default=0, db_default=0, editable=False)
    logged_in_at = models.DateTimeField(default=NEVER, db_default=NEVER, editable=False)

    USERNAME_FIELD = "address"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = AccountManager()

    class Meta:
        ordering = ["address"]
        indexes = [
            models.Index(fields=["domain", "used_bytes", "id"], name="account_by_used"),
            models.Index(fields=["domain", "quota_bytes", "id"], name="account_by_quota"),
            models.Index(fields=["domain", "logged_in_at", "id"], name="account_by_login"),
            models.Index(
                fields=["domain", "localpart"], condition=Q(state="locked"), name="account_locked_in_domain"
            ),
            models.Index(fields=["domain", "localpart"], condition=ALMOST_FULL, name="account_almost_full"),
            models.Index(
                fields=["domain", "localpart"], condition=Q(logged_in_at=NEVER), name="account_never_in"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["domain", "localpart"], name="account_localpart_once_in_domain"),
            models.CheckConstraint(
                condition=Q(address=Lower("address")), name="account_address_is_lower_case"
            ),
            models.CheckConstraint(condition=Q(quota_bytes__gte=0), name="account_quota_not_negative"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="account_state_known"),
            models.CheckConstraint(
                condition=Q(lock_mode__in=LockMode.values), name="account_lock_mode_known"
            ),
            models.CheckConstraint(
                condition=Q(domain__isnull=False) | Q(has_mailbox=False),
                name="account_without_domain_has_no_mailbox",
            ),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def is_locked(self) -> bool:
        return self.state == State.LOCKED

    @property
    def has_logged_in(self) -> bool:
        return self.logged_in_at != NEVER

    @property
    def is_over_quota(self) -> bool:
        return 0 < self.quota_bytes <= self.used_bytes

    @property
    def is_almost_full(self) -> bool:
        return not self.is_over_quota and 0 < self.quota_bytes // 10 * 9 <= self.used_bytes

    @property
    def is_staff(self) -> bool:
        """The Django admin is the superadmin's door only."""
        return self.is_superuser

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_superuser

    @property
    def home(self) -> str:
        return home_of_account(self.uuid.hex)
