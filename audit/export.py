"""The audit as rows of a file, the same for page and command."""

from __future__ import annotations

import json
from collections.abc import Iterator

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from audit.models import AuditEvent
from audit.querysets import AuditQuerySet
from audit.words import Told, told

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


def plain_heading() -> tuple[str, ...]:
    """For people, in their language: what a page says."""
    return (
        _("When"),
        _("Who"),
        _("Role"),
        _("on behalf of"),
        _("Address"),
        _("Act"),
        _("Object"),
        _("Details"),
    )


def plain_rows_of(events: AuditQuerySet, language: str) -> Iterator[tuple[str, ...]]:
    """language: that of the reader; a file is sent when the request is over, and its language with it."""
    for event in events.order_by("id").iterator(chunk_size=ROWS_AT_ONCE):
        with override(language):
            yield _plain_row(told(event))


def _plain_row(shown: Told) -> tuple[str, ...]:
    event = shown.event
    when = f"{timezone.localtime(event.at):%Y-%m-%d %H:%M:%S}"
    details = "; ".join(f"{label}: {text}" for label, text in shown.details)
    who = (event.real, shown.role, event.acting_as, event.address)
    return (when, *who, shown.action, event.target, details)


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
