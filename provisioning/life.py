"""Where a change is on its way from saved to live, for the pages that show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from provisioning.models import AppliedRevision, Change

# A change with more keys than this is not searched for one: everything in its scope counts as pending.
MOST_KEYS_SEARCHED = 1000


@dataclass(frozen=True, slots=True)
class Life:
    """since: when it became live, or when the oldest waiting change was saved. error: why the last try
    failed.
    """

    state: Literal["live", "pending", "failed"]
    since: datetime | None
    error: str = ""


def life_of(scope: str, key: str) -> Life:
    """The state of one object, by its scope (a domain's name) and key (its address or name)."""
    waiting = [
        change
        for change in Change.objects.filter(scope=scope).order_by("id")
        if change.key_count > MOST_KEYS_SEARCHED or key in change.keys
    ]
    if not waiting:
        applied = AppliedRevision.objects.filter(scope=scope).order_by("applied_at").first()
        return Life("live", applied.applied_at if applied else None)
    errors = [change.error for change in waiting if change.error]
    if errors:
        return Life("failed", waiting[0].created_at, errors[-1])
    return Life("pending", waiting[0].created_at)
