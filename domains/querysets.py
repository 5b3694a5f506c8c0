"""What people may see of domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from accounts.actor import Actor
    from domains.models import Domain, DomainAlias  # noqa: F401  # named as text below


class DomainQuerySet(models.QuerySet["Domain"]):
    def visible_to(self, actor: Actor) -> Self:
        """Superadmin: all. Postmaster: the managed ones. Others: none."""
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        return self.filter(managers=actor.person)

    def hosted(self) -> Self:
        return self.filter(kind="hosted")

    def search(self, fragment: str) -> Self:
        """Part of the name or of one of its alias names."""
        return self.filter(Q(name__contains=fragment.lower())) if fragment else self


class DomainAliasQuerySet(models.QuerySet["DomainAlias"]):
    def visible_to(self, actor: Actor) -> Self:
        if actor.sees_everything:
            return self
        if actor.person is None:
            return self.none()
        return self.filter(domain__managers=actor.person)
