"""Roles that are given by rows: help desk and auditor, in one domain or in all."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """Superadmin and postmaster are kept with the account; see accounts.rights."""

    SUPERADMIN = "superadmin", _("superadmin")
    POSTMASTER = "postmaster", _("postmaster")
    HELP_DESK = "help_desk", _("help desk")
    AUDITOR = "auditor", _("auditor")


GRANTED = (Role.HELP_DESK, Role.AUDITOR)


class RoleGrant(models.Model):
    """One role of one account. Without a domain it counts in all of them."""

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="role_grants")
    role = models.CharField(max_length=12, choices=Role)
    domain = models.ForeignKey(
        "domains.Domain", models.CASCADE, null=True, blank=True, related_name="role_grants"
    )
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["role", "id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "role", "domain"], name="role_grant_once_in_domain"),
            models.UniqueConstraint(
                fields=["account", "role"], condition=Q(domain=None), name="role_grant_once_everywhere"
            ),
            models.CheckConstraint(condition=Q(role__in=["help_desk", "auditor"]), name="role_grant_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.account_id}"
