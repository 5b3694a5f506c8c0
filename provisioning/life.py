"""Where a change is on its way from saved to live, for the pages that show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.utils.translation import gettext as _

from provisioning.models import AppliedRevision, Change

# A change with more keys than this is not searched for one: everything in its scope counts as pending.
MOST_KEYS_SEARCHED = 1000
# A page looks for the first time when most changes are live; later looks are for those that are not.
NEXT_LOOK_MILLISECONDS = 2000


@dataclass(frozen=True, slots=True)
class Life:
    """since: when it became live, or when the oldest waiting change was saved. error: why the last try
    failed, in the server's words, which are for those who run it; why: for everybody else.
    """

    state: Literal["live", "pending", "failed"]
    since: datetime | None
    error: str = ""

    @property
    def why(self) -> str:
        """What a failed change means, and what to do about it."""
        return _(
            "The server could not take the change over yet. It is saved and nothing is lost; what was set"
            " before still holds. The server tries again by itself. If this still stands here in a few"
            " minutes, tell whoever runs the mail server."
        )


def life_of(scope: str, key: str) -> Life:
    """The state of one object, by its scope (a domain's name) and key (its address or name)."""
    return lives_of(scope, [key])[key]


def lives_of(scope: str, keys: Iterable[str]) -> dict[str, Life]:
    """The states of several objects of one scope, in three queries whatever their number."""
    waiting = Change.objects.filter(scope=scope)
    searched = [
        (change, frozenset(change.keys)) for change in waiting.filter(key_count__lte=MOST_KEYS_SEARCHED)
    ]
    # The keys of bulk work can be megabytes: they stay in the database.
    everything = list(waiting.filter(key_count__gt=MOST_KEYS_SEARCHED).defer("keys"))
    applied = AppliedRevision.objects.filter(scope=scope).order_by("applied_at").first()
    live = Life("live", applied.applied_at if applied else None)
    return {
        key: _life_of_waiting([change for change, named in searched if key in named] + everything) or live
        for key in keys
    }


def _life_of_waiting(changes: list[Change]) -> Life | None:
    if not changes:
        return None
    changes = sorted(changes, key=lambda change: change.pk)
    errors = [change.error for change in changes if change.error]
    if errors:
        return Life("failed", changes[0].created_at, errors[-1])
    return Life("pending", changes[0].created_at)
