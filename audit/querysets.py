"""What people may see of the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.actor import Actor
    from audit.models import AuditEvent  # noqa: F401  # named as text below


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: acts in the own domains. Everybody: acts on the own account."""
        if actor.sees_everything:
            return self
        person = actor.person
        if person is None:
            return self.none()
        return self.filter(Q(target=person.address) | Q(scope__in=person.managed_domains.values("name")))
