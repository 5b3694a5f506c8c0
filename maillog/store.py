"""Drafts into the database, in one transaction with how far the files were read: what is read is stored once.

An entry that was stored before is replaced whole. PostgreSQL takes rows by COPY.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from struct import Struct
from typing import cast

from django.db import connections, transaction
from django.db.models import Model

from maillog.draft import Draft
from maillog.models import (
    LONGEST_ADDRESS,
    LONGEST_MESSAGE_ID,
    LONGEST_NAME,
    LONGEST_REASON,
    LONGEST_SUBJECT,
    Entry,
    EntryLines,
    LogFile,
    LooseLines,
    Party,
)
from maillog.router import LOGS

# Text in every column: so a row is joined without a look at each value, and both databases take it.
Row = tuple[str, ...]
# As the database takes them: PostgreSQL what COPY reads.
Shaped = Sequence[tuple[str | int, ...]] | bytes
# COPY's binary format (PostgreSQL, COPY, "Binary Format"): after the signature no flags and nothing more; a
# row is how many fields, and of each its length before it.
_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_LINES_HEAD = Struct("!hiqi").pack
_END = b"\xff\xff"
_ENTRY = (
    "id", "kind", "began_at", "last_at", "is_open", "queue_id", "message_id", "sender", "recipient",
    "recipient_count", "subject", "size_bytes", "client", "client_name", "helo", "login", "service",
    "direction", "verdict", "mechanism", "folder", "reason", "own_address", "spam_score", "spam_rules",
    "handling",
)  # fmt: skip
_PARTY = ("address", "entry_id", "role", "domain")
_LINES = ("entry_id", "text")
_IDS_A_STATEMENT = 900
_DRAFTS_A_PIECE = 500
# In so many rows at once it is looked whether something is to be escaped.
_ROWS_A_LOOK = 100
# From here on it is worth a process of its own.
MUCH_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Batch:
    """What one transaction stores. replaced: ids of entries that were stored before. own_addresses: by the
    labels under which the services log. loose: all lines that wait, or None when they are as they were.
    """

    drafts: Sequence[Draft] = ()
    replaced: list[int] = field(default_factory=list)
    own_addresses: Mapping[str, str] = field(default_factory=dict)
    loose: Mapping[str, str] | None = None
    files: Sequence[LogFile] = ()


@dataclass(slots=True)
class Rows:
    """Those of a batch's drafts, by table and in pieces."""

    entries: list[Shaped] = field(default_factory=list)
    parties: list[Shaped] = field(default_factory=list)
    lines: list[Shaped] = field(default_factory=list)


def batch_of(drafts: Sequence[Draft], next_id: int, own_addresses: Mapping[str, str]) -> tuple[Batch, int]:
    """The drafts, of which new ones get their ids. Returns the next free id as well."""
    replaced = []
    for draft in drafts:
        if draft.is_new:
            draft.is_new = False
            draft.entry_id = next_id
            next_id += 1
        else:
            replaced.append(draft.entry_id)
    return Batch(drafts, replaced, own_addresses), next_id


def rows_of(batch: Batch) -> Rows:
    """Piece by piece: so they are made in memory that is at hand."""
    rows = Rows()
    for start in range(0, len(batch.drafts), _DRAFTS_A_PIECE):
        _make(batch.drafts[start : start + _DRAFTS_A_PIECE], batch.own_addresses, rows)
    return rows


def _make(drafts: Sequence[Draft], own_addresses: Mapping[str, str], rows: Rows) -> None:
    entries: list[Row] = []
    parties: list[Row] = []
    lines: list[tuple[int, str]] = []
    for draft in drafts:
        entry_id = str(draft.entry_id)
        entries.append(_entry_row(draft, entry_id, own_addresses))
        for address, role in draft.parties():
            parties.append((address, entry_id, role, address.rpartition("@")[2][:253]))
        lines.append((draft.entry_id, "\n".join(draft.lines)))
    rows.entries.append(_shaped(entries))
    rows.parties.append(_shaped(parties))
    rows.lines.append(_shaped_lines(lines))


@lru_cache(maxsize=4096)
def _time_of(moment: float) -> str:
    """In UTC, as both databases take it from a connection of Django's."""
    return str(datetime.fromtimestamp(moment, UTC).replace(tzinfo=None))


def _entry_row(draft: Draft, entry_id: str, own_addresses: Mapping[str, str]) -> Row:
    reason, mechanism = draft.final_reason()
    recipients = draft.recipients
    return (
        entry_id,
        draft.kind,
        _time_of(draft.began),
        _time_of(draft.last),
        "0" if draft.is_closed else "1",
        draft.queue_id[:40],
        draft.message_id[:LONGEST_MESSAGE_ID],
        draft.sender[:LONGEST_ADDRESS],
        recipients[0][:LONGEST_ADDRESS] if recipients else "",
        str(len(recipients)),
        draft.final_subject()[:LONGEST_SUBJECT],
        str(min(draft.size, 2**62)),
        draft.client,
        draft.client_name[:LONGEST_NAME],
        draft.helo[:LONGEST_NAME],
        draft.login[:LONGEST_ADDRESS],
        draft.service[:24],
        draft.direction(),
        draft.final_verdict(),
        mechanism,
        "" if draft.folder == "-" else draft.folder[:LONGEST_NAME],
        reason[:LONGEST_REASON],
        own_addresses.get(draft.own_label, draft.own_label)[:39] if draft.own_label else "",
        draft.spam_score[:12],
        draft.spam_rules[:LONGEST_REASON],
        ",".join(draft.handling),
    )


def write(batch: Batch, rows: Rows | None = None) -> None:
    """All of the batch or nothing. rows: those of it, if they are made already."""
    rows = rows or rows_of(batch)
    with transaction.atomic(using=LOGS):
        _settle()
        _remove(batch.replaced)
        _insert(Entry, _ENTRY, rows.entries)
        _insert(Party, _PARTY, rows.parties)
        _insert(EntryLines, _LINES, rows.lines, is_binary=True)
        if batch.loose is not None:
            LooseLines.objects.all().delete()
            _insert(LooseLines, ("key", "text"), [_shaped(list(batch.loose.items()))])
        for file in batch.files:
            file.save(using=LOGS)


def _settle() -> None:
    """What a crash of the database takes back, it takes back with the position: it is read again, so the disk
    is not waited for. A few entries are found by their ids, whatever PostgreSQL knows of the tables so far,
    and no statement here is worth being compiled.
    """
    connection = connections[LOGS]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for name in ("synchronous_commit", "enable_seqscan", "jit"):
                cursor.execute(f"SET LOCAL {name} TO OFF")


def _remove(ids: Sequence[int]) -> None:
    for start in range(0, len(ids), _IDS_A_STATEMENT):
        part = ids[start : start + _IDS_A_STATEMENT]
        for model, column in ((EntryLines, "entry_id"), (Party, "entry_id"), (Entry, "id")):
            rows = model._default_manager.using(LOGS).filter(**{f"{column}__in": part})
            # Each table by itself: nothing cascades, so nothing has to be looked for.
            rows._raw_delete(LOGS)


def _insert(
    model: type[Model], columns: Sequence[str], pieces: Sequence[Shaped], *, is_binary: bool = False
) -> None:
    if not any(pieces):
        return
    table = model._meta.db_table
    names = ", ".join(f'"{column}"' for column in columns)
    connection = connections[LOGS]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            head, form, end = (_HEAD, "(FORMAT binary)", _END) if is_binary else (b"", "", b"")
            with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN {form}') as copy:
                for content in (head, *pieces, end):
                    copy.write(content)
            return
        marks = ", ".join(["%s"] * len(columns))
        statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608  # our own names
        for rows in pieces:
            cursor.executemany(statement, cast(Sequence[Row], rows))


def _shaped(rows: list[Row]) -> Shaped:
    if connections[LOGS].vendor != "postgresql":
        return rows
    looked_at = (rows[start : start + _ROWS_A_LOOK] for start in range(0, len(rows), _ROWS_A_LOOK))
    return "".join(map(_copy_lines, looked_at)).encode()


def _shaped_lines(rows: list[tuple[int, str]]) -> Shaped:
    """The raw lines are most of all bytes: PostgreSQL takes them as they are in half the time."""
    if connections[LOGS].vendor != "postgresql":
        return rows
    parts: list[bytes] = []
    for entry_id, text in rows:
        content = text.encode()
        parts += (_LINES_HEAD(2, 8, entry_id, len(content)), content)
    return b"".join(parts)


def _copy_lines(rows: Sequence[Row]) -> str:
    """Most rows have nothing to be escaped but the line ends of raw lines, which is quicker to see in many
    at once than to do in each. No value holds a NUL.
    """
    text = "\0".join(map("\t".join, rows)) + "\0"
    is_plain = text.count("\t") == len(rows) * (len(rows[0]) - 1)
    if is_plain and "\\" not in text and "\r" not in text:
        return text.replace("\n", "\\n").replace("\0", "\n")
    return "".join("\t".join(map(_escaped, row)) + "\n" for row in rows)


def _escaped(text: str) -> str:
    """Four passes in C; str.translate would look at each character."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace("\t", "\\t").replace("\r", "\\r")
