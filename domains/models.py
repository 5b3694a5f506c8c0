"""Domains that this server knows. Fields and constraints; every change is in actions.py."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.models import Language, LockMode, State
from domains.names import display_domain
from domains.querysets import DomainAliasQuerySet, DomainQuerySet


class TakenDomainName(models.Model):
    """Each name is taken once, by a domain or by a domain alias: a constraint that spans both tables."""

    name = models.CharField(max_length=253, primary_key=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(name=Lower("name")), name="taken_domain_name_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.name


class Domain(models.Model):
    """A mail domain. Its name is stored as A-label and shown as U-label."""

    class Kind(models.TextChoices):
        HOSTED = "hosted", _("hosted here")
        RELAY = "relay", _("passed on to another server")

    name = models.CharField(_("name"), max_length=253, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.HOSTED)
    node = models.ForeignKey("provisioning.Node", models.PROTECT, related_name="domains")
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.ACTIVE)
    lock_mode = models.CharField(max_length=8, choices=LockMode, default=LockMode.DEFER)
    lock_reason = models.CharField(max_length=200, blank=True)
    default_quota_bytes = models.BigIntegerField(_("default quota"), default=0)
    language = models.CharField(_("language"), max_length=2, choices=Language, default=Language.POLISH)
    created_at = models.DateTimeField(auto_now_add=True)

    # Limits that the postmaster sees and cannot raise; null means none (DomainLimits of FIELD.md)
    max_accounts = models.PositiveIntegerField(null=True, blank=True)
    max_aliases = models.PositiveIntegerField(null=True, blank=True)
    max_quota_bytes = models.BigIntegerField(
        null=True, blank=True, help_text=_("Sum of the quotas of all accounts, in bytes.")
    )
    max_account_quota_bytes = models.BigIntegerField(
        null=True, blank=True, help_text=_("Largest quota of one account, in bytes.")
    )

    objects = DomainQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name=Lower("name")), name="domain_name_is_lower_case"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="domain_state_known"),
            models.CheckConstraint(condition=Q(lock_mode__in=LockMode.values), name="domain_lock_mode_known"),
            models.CheckConstraint(condition=Q(default_quota_bytes__gte=0), name="domain_quota_not_negative"),
        ]

    def __str__(self) -> str:
        return display_domain(self.name)

    @property
    def scope(self) -> str:
        """Name of the revision scope; as text, so that it outlives the domain."""
        return self.name

    @property
    def is_locked(self) -> bool:
        return self.state == State.LOCKED


class DomainAlias(models.Model):
    """Another name of a domain: every local part of the domain, the catch-all included, is valid in it."""

    name = models.CharField(_("name"), max_length=253, unique=True)
    domain = models.ForeignKey(Domain, models.PROTECT, related_name="domain_aliases")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DomainAliasQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "domain aliases"
        constraints = [
            models.CheckConstraint(condition=Q(name=Lower("name")), name="domain_alias_name_is_lower_case"),
        ]

    def __str__(self) -> str:
        return display_domain(self.name)
