"""Lists of senders whose mail is always let through, or always spam."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from antispam.actions.owner import Owner, forget_if_empty, locked_preference, must_own, record
from antispam.models import SenderListEntry
from antispam.patterns import MOST_ENTRIES
from qmailux_site.errors import ActionRefused


def add_sender_entries(
    owner: Owner, *, kind: SenderListEntry.Kind, patterns: Sequence[str], by: Actor
) -> int:
    """Put the patterns (``patterns.sender_patterns``) on the list; one that stood on the other list moves.

    Returns how many are new on the list. Refused: more entries than one owner may have.
    """
    must_own(by, owner)
    wanted = list(dict.fromkeys(patterns))
    with transaction.atomic():
        preference, is_new = locked_preference(owner)
        there = preference.entries.filter(pattern__in=wanted)
        known = set(there.filter(kind=kind).values_list("pattern", flat=True))
        added = [pattern for pattern in wanted if pattern not in known]
        there.exclude(kind=kind).delete()
        if preference.entries.count() + len(added) > MOST_ENTRIES:
            raise ActionRefused(
                "patterns", _("At most %(limit)d entries are possible.") % {"limit": MOST_ENTRIES}
            )
        SenderListEntry.objects.bulk_create(
            SenderListEntry(preference=preference, kind=kind, pattern=pattern) for pattern in added
        )
        is_gone = forget_if_empty(preference)
        record(
            by,
            "spam.senders_added",
            owner,
            accounts_too=is_new != is_gone,
            kind=str(kind),
            patterns=added[:50],
        )
    return len(added)


def remove_sender_entry(owner: Owner, *, pattern: str, by: Actor) -> None:
    """Its mail is judged by its content again."""
    must_own(by, owner)
    with transaction.atomic():
        preference, is_new = locked_preference(owner)
        gone, _by_model = preference.entries.filter(pattern=pattern).delete()
        if not gone:
            raise ActionRefused("patterns", _("%(pattern)s is not on the list.") % {"pattern": pattern[:80]})
        is_gone = forget_if_empty(preference)
        record(by, "spam.sender_removed", owner, accounts_too=is_new != is_gone, patterns=[pattern])
