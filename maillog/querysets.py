"""What people may see of the trace, and the questions they ask."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Self

from django.apps import apps
from django.db import models
from django.db.models import Exists, OuterRef, Q

if TYPE_CHECKING:
    from maillog.access import Sight
    from maillog.models import Entry  # noqa: F401  # named as text below

# The sender of a message from outside proves nothing: his name in it opens nothing to him.
PROVEN_ROLES = ("r", "o", "l")
# Of somebody with more domains than this, those of about the same age share the youngest one's beginning.
MOST_CONDITIONS = 60


class EntryQuerySet(models.QuerySet["Entry"]):
    def visible_to(self, sight: Sight) -> Self:
        """Superadmin: all. Postmaster: mail and sessions of the own domains. A user: the own ones."""
        if sight.is_everything:
            return self
        mine = [*_since("address", sight.addresses), *_since("domain", sight.domains)]
        if not mine:
            return self.none()
        parties = apps.get_model("maillog", "Party")._default_manager.filter(
            reduce(or_, mine), entry=OuterRef("pk"), role__in=PROVEN_ROLES
        )
        return self.filter(Exists(parties))


def _since(column: str, names: Mapping[str, datetime]) -> list[Q]:
    """One condition for each group of names: seen from the day on that the youngest of them is theirs."""
    by_age = sorted(names.items(), key=lambda item: item[1])
    size = len(by_age) // MOST_CONDITIONS + 1
    groups = [by_age[start : start + size] for start in range(0, len(by_age), size)]
    return [
        Q(**{f"{column}__in": [name for name, _since in group]}, entry__began_at__gte=group[-1][1])
        for group in groups
    ]
