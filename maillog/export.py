"""Entries as rows under names that stay: for programs, by JSON and the command line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address
from typing import Protocol

from django.utils import timezone

from maillog.models import Entry
from qmailux_site.csvexport import safe_cell

FIELDS = (
    "began_at", "kind", "verdict", "mechanism", "direction", "client", "client_name", "helo", "login",
    "service", "sender", "recipient", "recipient_count", "subject", "size_bytes", "queue_id", "message_id",
    "folder", "reason", "own_address", "spam_score", "spam_rules", "handling",
)  # fmt: skip


class Writable(Protocol):
    def write(self, text: str, /) -> object: ...


def client_address(packed: str) -> str:
    """192.0.2.1 or 2001:db8::1 from its 32 digits."""
    if not packed:
        return ""
    found = IPv6Address(int(packed, 16))
    return str(found.ipv4_mapped or found)


def rows_of(entries: Iterable[Entry]) -> Iterator[dict[str, str | int]]:
    for entry in entries:
        row: dict[str, str | int] = {name: getattr(entry, name) for name in FIELDS}
        row["began_at"] = timezone.localtime(entry.began_at).isoformat(timespec="seconds")
        row["client"] = client_address(entry.client)
        yield row


def write_csv(file: Writable, entries: Iterable[Entry]) -> None:
    """What others wrote into it is no formula."""
    writer = csv.DictWriter(file, FIELDS)
    writer.writeheader()
    for row in rows_of(entries):
        writer.writerow({name: safe_cell(value) for name, value in row.items()})
