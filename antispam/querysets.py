"""What people may see of the spam check's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

from accounts.rights import Right

if TYPE_CHECKING:
    from accounts.actor import Actor
    from antispam.models import SpamPreference, TaughtBatch  # noqa: F401  # named as text below


class SpamPreferenceQuerySet(models.QuerySet["SpamPreference"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: those of the own domains and their accounts. Everybody: the
        own one.
        """
        if actor.sees_everything:
            return self
        person = actor.person
        if person is None:
            return self.none()
        managed = actor.domains(Right.MANAGE).values("pk")
        return self.filter(Q(account=person) | Q(domain__in=managed) | Q(account__domain__in=managed))


class TaughtBatchQuerySet(models.QuerySet["TaughtBatch"]):
    def visible_to(self, actor: Actor) -> Self:
        """What one taught oneself: whose mail it was is nobody else's business."""
        person = actor.person
        return self.filter(account=person) if person is not None else self.none()

    def to_undo(self) -> Self:
        return self.filter(undo_requested_at__isnull=False, undone_at__isnull=True)
