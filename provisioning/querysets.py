"""Questions to the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from provisioning.models import Change, Node  # noqa: F401  # named as text below

# Up to here a change is "single": it goes before bulk work and is applied in one batch.
SMALL_CHANGE_KEYS = 1000


class ChangeQuerySet(models.QuerySet["Change"]):
    def small(self, node: Node) -> Self:
        return self.filter(node=node, key_count__lte=SMALL_CHANGE_KEYS)

    def bulk(self, node: Node) -> Self:
        return self.filter(node=node, key_count__gt=SMALL_CHANGE_KEYS)
