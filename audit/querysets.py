"""What people may see of the audit, and the questions they ask."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from accounts.rights import Right

if TYPE_CHECKING:
    from accounts.actor import Actor
    from audit.models import AuditEvent  # noqa: F401  # named as text below


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: acts in the own domains. Everybody: acts on the own account.

        Names are text and may be given again: what was done before the account or domain was made belongs to
        somebody else.
        """
        if actor.sees_everything:
            return self
        person = actor.person
        if person is None:
            return self.none()
        managed = actor.domains(Right.AUDIT).filter(name=OuterRef("scope"), created_at__lte=OuterRef("at"))
        mine = Q(target=person.address, at__gte=person.created_at)
        names = actor.domains(Right.AUDIT).values("name")
        return self.filter(mine | (Q(scope__in=names) & Exists(managed)))

    def on(self, target: str) -> Self:
        return self.filter(target=target)

    def in_domain(self, name: str) -> Self:
        return self.filter(scope=name)

    def by_person(self, beginning: str) -> Self:
        """Who did it, or on whose behalf."""
        if not beginning:
            return self
        return self.filter(Q(real__startswith=beginning) | Q(acting_as__startswith=beginning))

    def on_target(self, beginning: str) -> Self:
        return self.filter(target__startswith=beginning) if beginning else self

    def of_action(self, action: str) -> Self:
        """One kind of act, or all of a noun: "account" finds "account.locked"."""
        if not action:
            return self
        return self.filter(Q(action=action) | Q(action__startswith=f"{action}."))

    def between(self, since: datetime.date | None, until: datetime.date | None) -> Self:
        """Whole days in the server's time zone, both included."""
        found = self
        if since is not None:
            found = found.filter(at__gte=_midnight(since))
        if until is not None:
            found = found.filter(at__lt=_midnight(until + datetime.timedelta(days=1)))
        return found


def _midnight(day: datetime.date) -> datetime.datetime:
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time.min))
