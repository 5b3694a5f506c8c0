"""Questions to the outbox."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Self

from django.db import models

if TYPE_CHECKING:
    from provisioning.models import Change, Node

# Up to here a change goes before bulk work, together with others of its kind.
SMALL_CHANGE_KEYS = 1000
# Up to here it is what one person has changed by hand, and waits for nobody.
SINGLE_CHANGE_KEYS = 20
# What is applied under one hold of the locks: some tenths of a second.
KEYS_A_BATCH = 500


class ChangeQuerySet(models.QuerySet["Change"]):
    def small(self, node: Node) -> Self:
        return self.filter(node=node, key_count__lte=SMALL_CHANGE_KEYS)

    def settings(self, node: Node) -> Self:
        """The server's, rendered anew as a whole."""
        from provisioning.models import SERVER_SCOPE

        return self._large(node).filter(scope=SERVER_SCOPE)

    def bulk(self, node: Node) -> Self:
        from provisioning.models import SERVER_SCOPE

        return self._large(node).exclude(scope=SERVER_SCOPE)

    def _large(self, node: Node) -> Self:
        return self.filter(node=node, key_count__gt=SMALL_CHANGE_KEYS)

    def next_batch(self, *, without: Collection[int] = ()) -> list[Change]:
        """The oldest that fit into one batch, single ones first: an import leaves a thousand that are not."""
        waiting = self.exclude(pk__in=without).order_by("id")
        single = waiting.filter(key_count__lte=SINGLE_CHANGE_KEYS)
        for changes in (single, waiting):
            if fitting := _fitting(changes.values_list("pk", "key_count")[:KEYS_A_BATCH]):
                return list(self.filter(pk__in=fitting).order_by("id"))
        return []


def _fitting(sizes: Iterable[tuple[int, int]]) -> list[int]:
    chosen: list[int] = []
    room = KEYS_A_BATCH
    for pk, key_count in sizes:
        room -= key_count
        if chosen and room < 0:
            break
        chosen.append(pk)
    return chosen
