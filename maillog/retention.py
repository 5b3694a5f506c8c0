"""What is too old goes: raw lines first, the joined entries later, the rotated files of the mail plane."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connections, transaction
from django.db.models import Max

from maillog.ingest import LOGS as LOG_NAMES
from maillog.models import Entry, EntryLines, LogFile, Party
from maillog.operations import AUDIT
from maillog.router import LOGS

IDS_A_TRANSACTION = 20_000
# Under this name LogFile keeps up to which entry the old ones are bare.
BARED = "bared"
# What a message was about, and what people and programs wrote.
_CONTENT = ("subject", "reason", "spam_rules", "helo", "client_name", "folder")


@dataclass(frozen=True, slots=True)
class Forgotten:
    lines: int = 0
    bared: int = 0
    entries: int = 0
    files: int = 0


def forget(
    *,
    lines_before: datetime,
    entries_before: datetime,
    folder: Path,
    metadata_before: datetime | None = None,
) -> Forgotten:
    """Delete raw lines and entries that began earlier, and rotated files last written earlier than the raw
    limit. In small transactions, so that ingest is never held up; afterwards no page of the database keeps
    the text. metadata_before: what began later than that stays as metadata, where a law wants it for years:
    who, to whom, when, from where, what became of it.
    """
    lines = _delete_lines(lines_before)
    bared = _bare(entries_before) if metadata_before is not None and metadata_before < entries_before else 0
    entries = _delete_entries(min(entries_before, metadata_before or entries_before))
    files = _delete_files(folder, lines_before)
    LogFile.objects.filter(read_at__lt=entries_before).exclude(head__in=(AUDIT, BARED)).delete()
    if lines or bared or entries:
        _wipe_free_pages()
    return Forgotten(lines, bared, entries, files)


def _last_before(limit: datetime) -> int:
    """Ids grow with time, so one id bounds what is old."""
    return Entry.objects.filter(began_at__lt=limit).aggregate(last=Max("pk"))["last"] or 0


def _delete_lines(limit: datetime) -> int:
    if not Entry.objects.filter(began_at__lt=limit).exists():
        return 0
    deleted = done = 0
    last = _last_before(limit)
    while True:
        # From the end of the part before: a walk from the beginning would go over all that is deleted.
        kept = EntryLines.objects.filter(entry_id__gt=done, entry_id__lte=last)
        ids = list(kept.order_by("entry_id").values_list("entry_id", flat=True)[:IDS_A_TRANSACTION])
        if not ids:
            return deleted
        done = ids[-1]
        of_old = Entry.objects.filter(pk__gte=ids[0], pk__lte=done, last_at__lt=limit)
        lines = EntryLines.objects.filter(entry_id__gte=ids[0], entry_id__lte=done, entry__in=of_old)
        deleted += lines._raw_delete(LOGS)


def _bare(limit: datetime) -> int:
    """Take their content from entries of before the limit, lines included. Ids grow with time, so each is
    looked at once.
    """
    done = LogFile.objects.get_or_create(head=BARED, head_bytes=0, defaults={"name": BARED})[0]
    last, bared = _last_before(limit), 0
    while True:
        ids = list(
            Entry.objects.filter(pk__gt=done.offset_bytes, pk__lte=last, last_at__lt=limit)
            .order_by("pk")
            .values_list("pk", flat=True)[:IDS_A_TRANSACTION]
        )
        if not ids:
            return bared
        with transaction.atomic(using=LOGS):
            old = Entry.objects.filter(pk__gte=ids[0], pk__lte=ids[-1], last_at__lt=limit)
            EntryLines.objects.filter(entry__in=old)._raw_delete(LOGS)
            bared += old.update(**dict.fromkeys(_CONTENT, ""))
            done.offset_bytes = ids[-1]
            done.save()


def _delete_entries(limit: datetime) -> int:
    """By their time, so that nothing is walked over but what goes."""
    deleted = 0
    left = Entry.objects.filter(last_at__lt=limit, began_at__lt=limit)
    while True:
        moments = list(left.order_by("began_at").values_list("began_at", flat=True)[:IDS_A_TRANSACTION])
        if not moments:
            return deleted
        old = left.filter(began_at__gte=moments[0], began_at__lte=moments[-1])
        with transaction.atomic(using=LOGS):
            EntryLines.objects.filter(entry__in=old)._raw_delete(LOGS)
            Party.objects.filter(entry__in=old)._raw_delete(LOGS)
            deleted += old._raw_delete(LOGS)
        left = left.filter(began_at__gte=moments[-1])


def _delete_files(folder: Path, limit: datetime) -> int:
    deleted = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        is_rotated = any(path.name.startswith((f"{name}-", f"{name}.")) for name in LOG_NAMES)
        if is_rotated and path.stat().st_mtime < limit.timestamp():
            path.unlink()
            deleted += 1
    return deleted


def _wipe_free_pages() -> None:
    """SQLite has zeroed what was deleted (secure_delete) and now gives the write-ahead log back; PostgreSQL
    cleans its pages.
    """
    connection = connections[LOGS]
    if connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            for model in (EntryLines, Party, Entry):
                cursor.execute(f'VACUUM "{model._meta.db_table}"')
