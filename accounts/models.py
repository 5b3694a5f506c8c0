"""Accounts and aliases. Fields, constraints and small pure properties; every change is in actions.py."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import (  # noqa: F401  # their models belong here
    answered,
    browsing,
    filtering,
    leaving,
    notifying,
    recovering,
    roles,
    sending,
)
from accounts.querysets import (
    ALMOST_FULL,
    NEVER,
    AccountManager,
    AliasQuerySet,
    AppPasswordQuerySet,
    BulkJobQuerySet,
    DeletedMailboxQuerySet,
)
from accounts.targets import AliasTargetQuerySet
from provisioning.layout import home_of_account

MAIL_PROTOCOLS = {"imap": "IMAP", "pop3": "POP3", "managesieve": "ManageSieve", "smtp": "SMTP"}


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


# Dovecot cuts the subject of an answer at 256 characters.
MOST_SUBJECT = 250


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


class BulkJob(models.Model):
    """A bulk file on its way: checked, confirmed, added. Or what many accounts have in common:
    new passwords, deletion.

    What the file held, and the passwords that came of it, lie encrypted in files beside the sockets
    (accounts.vault), for an hour at most. The key is here: a copy of the database alone tells nothing.
    """

    class Kind(models.TextChoices):
        ACCOUNTS = "accounts", _("accounts")
        ALIASES = "aliases", _("aliases")
        PASSWORDS = "password", _("passwords")
        DELETION = "delete", _("deletion")

    class State(models.TextChoices):
        CHECKED = "checked"
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(Account, models.CASCADE, related_name="bulk_jobs")
    acting_as = models.ForeignKey(Account, models.CASCADE, null=True, related_name="+")
    domain_name = models.CharField(max_length=253)
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.CHECKED)
    key = models.CharField(max_length=64)
    address = models.CharField(max_length=45, blank=True)
    total_count = models.PositiveIntegerField()
    done_count = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    csv_taken_at = models.DateTimeField(null=True)
    slips_taken_at = models.DateTimeField(null=True)

    objects = BulkJobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["domain_name"],
                condition=Q(state__in=["queued", "running"]),
                name="bulk_job_one_at_a_time_in_domain",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["checked", "queued", "running", "done", "failed"]),
                name="bulk_job_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.uuid}"


class DeletedMailbox(models.Model):
    """Mail of a deleted account: kept below the old folder, which no login can reach, until it is purged."""

    uuid = models.UUIDField(unique=True)
    address = models.CharField(max_length=254, db_index=True)
    domain_name = models.CharField(max_length=253, blank=True, default="", db_default="", db_index=True)
    node = models.ForeignKey("provisioning.Node", models.PROTECT)
    deleted_at = models.DateTimeField(auto_now_add=True, db_index=True)
    purging_at = models.DateTimeField(null=True)
    # What the account was beside its mail (accounts.keeping), and the aliases that led to it, with targets.
    settings = models.JSONField(default=list, encoder=DjangoJSONEncoder)
    aliases = models.JSONField(default=dict)

    objects = DeletedMailboxQuerySet.as_manager()

    def __str__(self) -> str:
        return self.address

    @property
    def home(self) -> str:
        return home_of_account(self.uuid.hex)


class Alias(models.Model):
    """An address without storage that leads to one or more targets; with an empty local part the catch-all.

    It belongs to a domain; ``domain_alias`` is set when its name lies in one of the domain's alias names.
    """

    domain = models.ForeignKey("domains.Domain", models.PROTECT, related_name="aliases")
    domain_alias = models.ForeignKey(
        "domains.DomainAlias", models.PROTECT, null=True, blank=True, related_name="own_aliases"
    )
    localpart = models.CharField(max_length=64, blank=True)
    address = models.CharField(_("address"), max_length=254, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AliasQuerySet.as_manager()

    class Meta:
        ordering = ["address"]
        verbose_name_plural = "aliases"
        indexes = [
            models.Index(fields=["domain", "localpart", "address"], name="alias_by_localpart"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(address=Lower("address")), name="alias_address_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def is_catch_all(self) -> bool:
        return self.localpart == ""


class AliasTarget(models.Model):
    """One address that an alias leads to; linked when it is an account here."""

    alias = models.ForeignKey(Alias, models.CASCADE, related_name="targets")
    address = models.CharField(max_length=254, db_index=True)
    account = models.ForeignKey(Account, models.SET_NULL, null=True, blank=True, related_name="alias_targets")

    objects = AliasTargetQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["alias", "address"], name="alias_target_once"),
            models.CheckConstraint(condition=Q(address=Lower("address")), name="alias_target_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.address
