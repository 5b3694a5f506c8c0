"""Drafts into the database, in one transaction with how far the files were read: what is read is stored once.

An entry that was stored before is replaced whole. PostgreSQL takes rows by COPY.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

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
# Or, for PostgreSQL, what COPY reads.
Rows = list[Row] | bytes
Plain = tuple[Rows, Rows, Rows, list[int], dict[str, str] | None, list[dict[str, Any]]]
_ENTRY = (
    "id", "kind", "began_at", "last_at", "is_open", "queue_id", "message_id", "sender", "recipient",
    "recipient_count", "subject", "size_bytes", "client", "client_name", "helo", "login", "service",
    "direction", "verdict", "mechanism", "folder", "reason", "own_address", "spam_score", "spam_rules",
    "handling",
)  # fmt: skip
_PARTY = ("address", "entry_id", "role", "domain")
_LINES = ("entry_id", "text")
_FILE = ("id", "head", "head_bytes", "name", "offset_bytes", "last_moment", "line_count", "unknown_count")
# What is asked for by its value. Looking at long texts that are only shown takes longer than all of these.
_COUNTED: dict[type[Model], Sequence[str]] = {
    Entry: (
        "id", "kind", "began_at", "last_at", "is_open", "queue_id", "message_id", "client", "login",
        "own_address", "direction", "verdict", "mechanism", "handling",
    ),
    Party: _PARTY,
    EntryLines: ("entry_id",),
}  # fmt: skip
_IDS_A_STATEMENT = 900
# In so many rows at once it is looked whether something is to be escaped.
_ROWS_A_LOOK = 100
# From here on it is worth a process of its own.
MUCH_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class Batch:
    """What one transaction stores. replaced: ids of entries that were stored before. loose: all lines that
    wait, or None when they are as they were.
    """

    entries: Rows = field(default_factory=list)
    parties: Rows = field(default_factory=list)
    lines: Rows = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)
    loose: Mapping[str, str] | None = None
    files: Sequence[LogFile] = ()

    def plain(self) -> Plain:
        """What another process makes the same batch of. Its rows are in the database's own form by then, so
        that they cross as one piece.
        """
        files = [{column: getattr(file, column) for column in _FILE} for file in self.files]
        loose = None if self.loose is None else dict(self.loose)
        shaped = _copy_text if connections[LOGS].vendor == "postgresql" else _as_it_is
        return (
            shaped(self.entries), shaped(self.parties), shaped(self.lines), self.replaced, loose, files
        )  # fmt: skip

    @classmethod
    def of_plain(cls, plain: Plain) -> Batch:
        entries, parties, lines, replaced, loose, files = plain
        return cls(entries, parties, lines, replaced, loose, [LogFile(**columns) for columns in files])


def batch_of(drafts: Iterable[Draft], next_id: int, own_addresses: Mapping[str, str]) -> tuple[Batch, int]:
    """Rows of the drafts; new ones get their ids. Returns the next free id as well. own_addresses: by the
    labels under which the services log.
    """
    entries: list[Row] = []
    parties: list[Row] = []
    lines: list[Row] = []
    replaced = []
    for draft in drafts:
        if draft.is_new:
            draft.is_new = False
            draft.entry_id = next_id
            next_id += 1
        else:
            replaced.append(draft.entry_id)
        entry_id = str(draft.entry_id)
        entries.append(_entry_row(draft, entry_id, own_addresses))
        for address, role in draft.parties():
            parties.append((address, entry_id, role, address.rpartition("@")[2][:253]))
        lines.append((entry_id, "\n".join(draft.lines)))
    return Batch(entries, parties, lines, replaced), next_id


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
        draft.subject[:LONGEST_SUBJECT],
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


def write(batch: Batch) -> None:
    """All of the batch or nothing."""
    with transaction.atomic(using=LOGS):
        _without_waiting_for_the_disk()
        _remove(batch.replaced)
        _insert(Entry, _ENTRY, batch.entries)
        _insert(Party, _PARTY, batch.parties)
        _insert(EntryLines, _LINES, batch.lines)
        if batch.loose is not None:
            LooseLines.objects.all().delete()
            _insert(LooseLines, ("key", "text"), list(batch.loose.items()))
        for file in batch.files:
            file.save(using=LOGS)


def _without_waiting_for_the_disk() -> None:
    """What a crash of the database takes back, it takes back with the position: it is read again."""
    connection = connections[LOGS]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO OFF")


def count_anew() -> None:
    """Tell PostgreSQL how much there is now: else its plans stay those of an empty table for a while."""
    connection = connections[LOGS]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table, columns in _COUNTED.items():
                names = ", ".join(f'"{column}"' for column in columns)
                cursor.execute(f'ANALYZE "{table._meta.db_table}" ({names})')


def _remove(ids: Sequence[int]) -> None:
    for start in range(0, len(ids), _IDS_A_STATEMENT):
        part = ids[start : start + _IDS_A_STATEMENT]
        for model, column in ((EntryLines, "entry_id"), (Party, "entry_id"), (Entry, "id")):
            rows = model._default_manager.using(LOGS).filter(**{f"{column}__in": part})
            # Each table by itself: nothing cascades, so nothing has to be looked for.
            rows._raw_delete(LOGS)


def _insert(model: type[Model], columns: Sequence[str], rows: Rows) -> None:
    if not rows:
        return
    table = model._meta.db_table
    names = ", ".join(f'"{column}"' for column in columns)
    connection = connections[LOGS]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" or isinstance(rows, bytes):
            with cursor.copy(f'COPY "{table}" ({names}) FROM STDIN') as copy:
                copy.write(_copy_text(rows))
            return
        marks = ", ".join(["%s"] * len(columns))
        statement = f'INSERT INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608  # our own names
        cursor.executemany(statement, rows)


def _as_it_is(rows: Rows) -> Rows:
    return rows


def _copy_text(rows: Rows) -> bytes:
    """Rows in COPY's text format."""
    if isinstance(rows, bytes):
        return rows
    looked_at = (rows[start : start + _ROWS_A_LOOK] for start in range(0, len(rows), _ROWS_A_LOOK))
    return "".join(map(_copy_lines, looked_at)).encode()


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
