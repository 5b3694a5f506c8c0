"""The audit as rows of a file, the same for page and command."""

from __future__ import annotations

import json
from collections.abc import Iterator

from audit.models import AuditEvent
from audit.querysets import AuditQuerySet

HEADING = (
    "time",
    "person",
    "role",
    "on_behalf_of",
    "channel",
    "from",
    "action",
    "object",
    "domain",
    "details",
)
ROWS_AT_ONCE = 2000


def rows_of(events: AuditQuerySet) -> Iterator[tuple[str, ...]]:
    """From the oldest on; action and details as they are stored, for machines to read."""
    for event in events.order_by("id").iterator(chunk_size=ROWS_AT_ONCE):
        yield row_of(event)


def row_of(event: AuditEvent) -> tuple[str, ...]:
    return (
        event.at.isoformat(timespec="seconds"),
        event.real,
        event.role,
        event.acting_as,
        event.channel,
        event.address,
        event.action,
        event.target,
        event.scope,
        json.dumps(event.details, ensure_ascii=False, sort_keys=True) if event.details else "",
    )
