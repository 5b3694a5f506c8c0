"""Read the mail plane's logs on from where they were read last, join them, store them.

One process at a time (a lock); whatever another did in between is read from the database. A batch of lines
and the position behind it are one transaction: killed at any line, nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from django.db.models import Max, Sum
from django.utils import timezone

from domains.models import IPAddress
from maillog import indexes, store
from maillog.draft import Draft, replayed
from maillog.join import Joiner
from maillog.models import Entry, LogFile, LooseLines
from maillog.operations import Operations, drafts_of
from maillog.parse import parse
from maillog.sources import HEAD_BYTES, LogSource, chunks_of, hash_of, head_of, source_of, sources_in
from maillog.stamps import Stamps
from maillog.writer import Writer, writing

# Postfix's last: Dovecot logs a delivery before Postfix hears of it.
LOGS = ("freshclam.log", "syslog.log", "clamav-milter.log", "dovecot.log", "mail.log")
MOST_OPEN = 200_000
# So much of the logs is one transaction: so memory is bounded. Nothing is read beside the last one, so they
# become smaller towards the end.
BATCH_BYTES = 16 * 1024 * 1024
LEAST_BYTES = 2 * 1024 * 1024
SAME_TIME_SECONDS = 300
Generation = tuple[int, int]


@dataclass(slots=True)
class Reader:
    """One file on its way: its chunk that comes next, and the moment that chunk begins."""

    file: LogFile
    stamps: Stamps
    chunks: Iterator[tuple[list[str], int]]
    lines: list[str]
    position: int
    begins: float

    def advance(self) -> bool:
        """To the next chunk; False when there is none."""
        found = next(self.chunks, None)
        if found is None:
            return False
        self.lines, self.position = found
        first = self.stamps.moment(parse(self.lines[0]).stamp)
        self.begins = first or self.stamps.last or 0.0
        return True


@dataclass(slots=True)
class Progress:
    lines: int = 0
    unknown: int = 0
    entries: int = 0


class Ingester:
    """Keeps what is open between its runs."""

    def __init__(self, lock_file: Path, zone: tzinfo | None = None) -> None:
        self.lock_file = lock_file
        self.zone = zone or timezone.get_default_timezone()
        self.progress = Progress()
        self.joiner = Joiner(self._recall)
        self._writer = Writer()
        self._next_id = 1
        self._files: list[LogFile] = []
        self._outside: set[str] = set()
        self._loose: dict[str, str] = {}
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock_file.touch()
        self._generation: Generation | None = None
        self._done: dict[Path, tuple[int, int, int]] = {}
        self._own_addresses: dict[str, str] = {}
        self._operations = Operations()
        self._read_on: dict[int, LogFile] = {}
        self._unstored_bytes = self._left_bytes = 0

    def run(self, folder: Path) -> Progress:
        """Everything new in the folder's logs."""
        # Postfix's size is taken before Dovecot's: so every delivery that Postfix tells of, Dovecot has told.
        found = sources_in(folder, tuple(reversed(LOGS)))
        return self._read([source for name in LOGS for source in found[name]])

    def run_files(self, paths: Sequence[Path]) -> Progress:
        """These files whole, as far as they were not read before."""
        sources = [source for path in paths if (source := source_of(path, is_growing=False))]
        return self._read(sources)

    def _read(self, sources: list[LogSource]) -> Progress:
        fresh = [source for source in sources if self._done.get(source.path) != source.identity]
        if not fresh:
            return Progress()
        with self._alone():
            self.progress = Progress()
            self._take_up()
            self._own_addresses = {
                f"p{pk}": name for pk, name in IPAddress.objects.values_list("pk", "address")
            }
            self._left_bytes = sum(source.identity[1] for source in fresh)
            with self._resetting(), writing(size_bytes=self._left_bytes) as writer:
                self._writer = writer
                self._read_by_time(fresh)
            self._generation = _generation()
            for source in fresh:
                self._done[source.path] = source.identity
        return self.progress

    def take_operations(self) -> int:
        """What was done in the panel since. Returns how many acts."""
        events, settled = self._operations.untaken()
        if not events:
            return 0
        with self._alone():
            self._take_up()
            # Somebody else may have taken them while the lock was waited for.
            events, settled = Operations().untaken()
            with self._resetting():
                batch, self._next_id = store.batch_of(drafts_of(events), self._next_id, {})
                batch.files = [settled]
                store.write(batch)
            self._generation = _generation()
        return len(events)

    def _read_by_time(self, sources: list[LogSource]) -> None:
        """The logs side by side, so that a delivery and what Dovecot says of it lie near each other. Files of
        one log follow each other.
        """
        waiting: dict[str, list[LogSource]] = {}
        for source in sources:
            base = next((name for name in LOGS if source.path.name.startswith(name)), str(source.path))
            waiting.setdefault(base, []).append(source)
        readers: dict[str, Reader] = {}
        while True:
            for base, left in waiting.items():
                while base not in readers and left:
                    reader = self._reader(left.pop(0))
                    if reader is not None and reader.advance():
                        readers[base] = reader
            if not readers:
                break
            base = _next_of(readers)
            self._take(readers[base])
            if not readers[base].advance():
                del readers[base]
        self._put()

    def _reader(self, source: LogSource) -> Reader | None:
        file = self._file_of(source)
        if file is None:
            return None
        reference = time.time() if source.is_growing else source.modified
        stamps = Stamps(self.zone, reference, file.last_moment)
        return Reader(file, stamps, chunks_of(source, file.offset_bytes), [], file.offset_bytes, 0.0)

    def _file_of(self, source: LogSource) -> LogFile | None:
        """What is known of this content, under whatever name it was read."""
        head = head_of(source)
        if not head:
            return None
        for file in self._files:
            if file.head_bytes <= len(head) and hash_of(head[: file.head_bytes]) == file.head:
                if file.head_bytes < len(head):
                    file.head, file.head_bytes = hash_of(head), len(head)
                file.name = source.path.name[:255]
                return file
        file = LogFile.objects.create(
            head=hash_of(head), head_bytes=min(len(head), HEAD_BYTES), name=source.path.name[:255]
        )
        self._files.append(file)
        return file

    def _take(self, reader: Reader) -> None:
        """Join one chunk; several of them are stored together."""
        joiner, file = self.joiner, reader.file
        lines, unknown = joiner.line_count, joiner.unknown_count
        joiner.feed(reader.lines, reader.stamps)
        read_bytes = reader.position - file.offset_bytes
        self._unstored_bytes += read_bytes
        self._left_bytes -= read_bytes
        file.offset_bytes, file.last_moment = reader.position, reader.stamps.last
        file.line_count += joiner.line_count - lines
        file.unknown_count += joiner.unknown_count - unknown
        self.progress.lines += joiner.line_count - lines
        self.progress.unknown += joiner.unknown_count - unknown
        self._read_on[file.pk] = file
        if self._unstored_bytes >= self._enough_bytes():
            self._put()

    def _enough_bytes(self) -> int:
        """For one transaction. How much is left of a compressed log is not known."""
        if self._left_bytes <= 0:
            return BATCH_BYTES
        return min(BATCH_BYTES, max(LEAST_BYTES, self._left_bytes // 2))

    def _put(self) -> None:
        """Store what was joined, with how far the files were read."""
        if not self._read_on:
            return
        joiner = self.joiner
        batch, self._next_id = store.batch_of(joiner.take_changed(), self._next_id, self._own_addresses)
        # Copies: while they are stored, reading goes on.
        batch.files = [copy(file) for file in self._read_on.values()]
        batch.loose = self._loose_if_changed()
        self._writer.put(batch)
        self._read_on.clear()
        self._unstored_bytes = 0
        self._outside.update(joiner.forget_oldest(MOST_OPEN))
        self.progress.entries += len(batch.drafts)

    @contextmanager
    def _resetting(self) -> Iterator[None]:
        """After a failure memory is ahead of the database: begin from the database next time."""
        try:
            yield
        except BaseException:
            self._generation = None
            self._done.clear()
            self._read_on.clear()
            self._unstored_bytes = 0
            raise

    # What waits between two runs

    def _take_up(self) -> None:
        """Begin from the database, unless what is in memory is what it holds."""
        if self._generation is not None and self._generation == _generation():
            return
        indexes.make_missing()
        self.joiner = Joiner(self._recall)
        self._files = list(LogFile.objects.order_by("-id"))
        self._next_id = (Entry.objects.aggregate(last=Max("id"))["last"] or 0) + 1
        keys = Entry.objects.filter(is_open=True).exclude(queue_id="").values_list("queue_id", flat=True)
        self._outside = set(keys.iterator())
        self._loose = dict(LooseLines.objects.values_list("key", "text"))
        self._done.clear()
        for key, text in self._loose.items():
            table, _, name = key.partition(":")
            getattr(self.joiner, table)[name] = text.split("\n")

    def _loose_if_changed(self) -> dict[str, str] | None:
        joiner = self.joiner
        loose = {
            f"{table}:{name}"[:200]: "\n".join(lines)
            for table in ("connections", "screened", "deliveries")
            for name, lines in getattr(joiner, table).items()
        }
        if loose == self._loose:
            return None
        self._loose = loose
        return loose

    def _recall(self, key: str) -> Draft | None:
        """An open entry that was let go of, built anew from its lines."""
        if key not in self._outside:
            return None
        self._outside.discard(key)
        self._writer.drain()
        entry = (
            Entry.objects.filter(queue_id=key, is_open=True).select_related("lines").order_by("-id").first()
        )
        if entry is None:
            return None
        began = entry.began_at.timestamp()
        text = entry.lines.text if hasattr(entry, "lines") else ""
        stamps = Stamps(self.zone, time.time(), began)
        draft = replayed(entry.kind, entry.queue_id, began, text.split("\n") if text else [], stamps)
        draft.entry_id, draft.is_new, draft.is_closed = entry.pk, False, False
        self.joiner.open[key] = draft
        return draft

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self.lock_file.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _next_of(readers: dict[str, Reader]) -> str:
    """The log to go on with: of those about the same time, in the order of LOGS."""
    earliest = min(reader.begins for reader in readers.values())
    near = [name for name, reader in readers.items() if reader.begins <= earliest + SAME_TIME_SECONDS]
    return min(near, key=lambda name: LOGS.index(name) if name in LOGS else len(LOGS))


def _generation() -> Generation:
    """Changes with every batch that anybody stores."""
    last = Entry.objects.aggregate(last=Max("id"))["last"] or 0
    return last, LogFile.objects.aggregate(read=Sum("offset_bytes"))["read"] or 0
