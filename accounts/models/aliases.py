"""Aliases and their targets."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from accounts.models.account import Account
from accounts.querysets import AliasQuerySet
from accounts.targets import AliasTargetQuerySet


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
