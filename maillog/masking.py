"""Who is only one of the recipients sees nothing of the others: neither their names nor their fate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from maillog.access import Sight
from maillog.models import Entry, Party, Role

ENTRIES_A_QUESTION = 500


def masked(entries: Iterable[Entry], sight: Sight) -> Iterator[Entry]:
    """The entries with the columns that the person may see; the rest is empty. Not to be saved."""
    if sight.is_everything:
        yield from entries
        return
    walk = iter(entries)
    while part := list(islice(walk, ENTRIES_A_QUESTION)):
        parties: dict[int, list[Party]] = {entry.pk: [] for entry in part}
        for party in Party.objects.filter(entry__in=list(parties)).order_by("entry_id", "address"):
            parties[party.entry_id].append(party)
        for entry in part:
            _mask(entry, parties[entry.pk], sight)
            yield entry


def hidden_recipients(parties: Iterable[Party], sight: Sight) -> set[str]:
    """Addresses that got the message too. Who sent it sees them all."""
    parties = list(parties)
    if sight.is_everything or any(sight.covers(p.address) for p in parties if p.role == Role.LOGIN):
        return set()
    return {p.address for p in parties if p.role == Role.RECIPIENT and not sight.covers(p.address)}


def seen_lines(lines: Sequence[str], parties: Iterable[Party], sight: Sight) -> list[str]:
    """Without those about others, unless the mail came to them through an address of one's own."""
    parties = list(parties)
    hidden = hidden_recipients(parties, sight)
    if not hidden:
        return list(lines)
    own = [f"orig_to=<{p.address}>" for p in parties if p.role == Role.ORIGINAL and sight.covers(p.address)]
    # ola@firma.test does not stand in what is said of pola@firma.test.
    others = re.compile("|".join(rf"(?<![a-z0-9._+-]){re.escape(address)}" for address in sorted(hidden)))

    def is_seen(line: str) -> bool:
        lower = line.lower()
        return not others.search(lower) or any(mark in lower for mark in own)

    return [line for line in lines if is_seen(line)]


def _mask(entry: Entry, parties: list[Party], sight: Sight) -> None:
    hidden = hidden_recipients(parties, sight)
    if not hidden:
        return
    own = [
        p.address for p in parties if p.role in (Role.RECIPIENT, Role.ORIGINAL) and sight.covers(p.address)
    ]
    entry.recipient = own[0] if own else ""
    entry.recipient_count = len(own)
    # The first recipient's: perhaps not one's own.
    entry.folder = entry.reason = entry.mechanism = ""
    entry.spam_score = entry.spam_rules = entry.handling = ""
