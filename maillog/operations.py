"""What people did in the panel and on the command line, out of the audit, beside the mail that it was about.

The audit lies in another database: an event is taken once, by its number.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from datetime import timedelta
from itertools import islice

from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from audit.models import AuditEvent
from maillog.draft import Draft
from maillog.models import Entry, LogFile
from maillog.parse import parse
from maillog.parse_operation import line_of

# Under this name LogFile keeps how far the audit was taken.
AUDIT = "audit"
# A slow transaction commits events with numbers below those already taken.
SETTLED_AFTER = timedelta(hours=1)
MOST_AT_ONCE = 5000
EVENTS_A_QUESTION = 500


class Operations:
    """Remembers what it has seen, so that nothing new costs two small questions."""

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None

    def untaken(self) -> tuple[list[AuditEvent], LogFile]:
        """Events that are no entries yet, in their order, and how far the audit is settled."""
        settled = LogFile.objects.get_or_create(head=AUDIT, head_bytes=0, defaults={"name": AUDIT})[0]
        open_events = AuditEvent.objects.filter(pk__gt=settled.offset_bytes)
        counted = open_events.aggregate(last=Max("pk"), count=Count("pk"))
        seen = (counted["last"] or 0, counted["count"])
        found: list[AuditEvent] = []
        if seen != self._seen:
            found = _not_taken(open_events.order_by("pk"), settled)
        self._seen = seen if len(found) < MOST_AT_ONCE else None
        return found, settled


def _not_taken(events: QuerySet[AuditEvent], settled: LogFile) -> list[AuditEvent]:
    """Moves the position over those that are settled and taken."""
    limit = timezone.now() - SETTLED_AFTER
    found: list[AuditEvent] = []
    walk = events.iterator(chunk_size=EVENTS_A_QUESTION)
    while len(found) < MOST_AT_ONCE and (part := list(islice(walk, EVENTS_A_QUESTION))):
        keys = [_key(event) for event in part]
        known = Entry.objects.filter(kind="act", queue_id__in=keys)
        taken = set(known.values_list("queue_id", flat=True))
        found += [event for event in part if _key(event) not in taken]
        settled.offset_bytes = max([settled.offset_bytes, *(event.pk for event in part if event.at <= limit)])
    return found


def drafts_of(events: Iterable[AuditEvent]) -> list[Draft]:
    return [_draft(event) for event in events]


def _draft(event: AuditEvent) -> Draft:
    told = {
        name: getattr(event, name)
        for name in ("real", "acting_as", "role", "channel", "address", "action", "target", "scope")
    }
    stamp = timezone.localtime(event.at).isoformat(timespec="seconds")
    line = line_of(stamp, socket.gethostname(), event.pk, told)
    draft = Draft("act", _key(event), event.at.timestamp())
    draft.add(line, draft.began)
    draft.apply(parse(line))
    return draft


def _key(event: AuditEvent) -> str:
    return f"{AUDIT}-{event.pk}"
