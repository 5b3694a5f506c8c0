"""Log files: which there are, which content they hold, and their lines in chunks of bounded size."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from maillog.dialogue import Scrubber

# Enough to tell two files apart: their first lines hold a time, a host and a process.
HEAD_BYTES = 4096
CHUNK_BYTES = 1024 * 1024
LONGEST_LINE = 16_384


@dataclass(frozen=True, slots=True)
class LogSource:
    """One file. is_growing: its last line may be half written. modified: time of the file."""

    path: Path
    is_growing: bool
    modified: float
    identity: tuple[int, int, int]


def sources_in(folder: Path, names: Sequence[str]) -> dict[str, list[LogSource]]:
    """The files of each log, rotated ones first: mail.log, mail.log-20261125, mail.log-20261125.gz."""
    found: dict[str, list[LogSource]] = {name: [] for name in names}
    for path in folder.iterdir() if folder.is_dir() else ():
        for name in names:
            if path.name == name or path.name.startswith((f"{name}-", f"{name}.")):
                source = source_of(path, is_growing=path.name == name)
                if source is not None:
                    found[name].append(source)
    for sources in found.values():
        sources.sort(key=lambda source: (source.is_growing, source.modified, source.path.name))
    return found


def source_of(path: Path, *, is_growing: bool) -> LogSource | None:
    """None for what is gone or no file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    if not path.is_file() or not stat.st_size:
        return None
    return LogSource(path, is_growing, stat.st_mtime, (stat.st_ino, stat.st_size, stat.st_mtime_ns))


def head_of(source: LogSource) -> bytes:
    """The first bytes; nothing while not even one line is whole."""
    with _opened(source.path) as file:
        head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES and source.is_growing:
        head = head[: head.rfind(b"\n") + 1]
    return head


def hash_of(head: bytes) -> str:
    return hashlib.sha256(head).hexdigest()


def chunks_of(
    source: LogSource, start: int, most_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[list[str], int]]:
    """Whole lines from the position on, and the position behind them. Of a growing file, what was there at
    the call.
    """
    with _opened(source.path) as file:
        # A compressed file is read again up to the position.
        file.seek(start)
        left = None if _is_compressed(source.path) else os.fstat(file.fileno()).st_size - start
        rest, position = b"", start
        scrubber = Scrubber()
        while left is None or left > 0:
            raw = file.read(most_bytes if left is None else min(most_bytes, left))
            if not raw:
                break
            if left is not None:
                left -= len(raw)
            block = rest + raw
            cut = block.rfind(b"\n") + 1
            if not cut and len(block) > most_bytes:
                cut = len(block)
            rest = block[cut:]
            if cut and source.is_growing:
                _write_over(source.path, position, scrubber.secrets_in(block[:cut]))
            if cut:
                position += cut
                yield _lines(block[:cut]), position
        if rest and not source.is_growing:
            yield _lines(rest), position + len(rest)


def _write_over(path: Path, start: int, places: Sequence[tuple[int, int]]) -> None:
    """In place: others go on appending. A log that may not be written stays as it is."""
    if not places:
        return
    try:
        file = os.open(path, os.O_WRONLY)
    except PermissionError:
        return
    try:
        for begin, end in places:
            os.pwrite(file, b"*" * (end - begin), start + begin)
    finally:
        os.close(file)


def _lines(block: bytes) -> list[str]:
    """A line that never ends is cut; PostgreSQL knows no NUL."""
    lines = block.decode("utf-8", "replace").replace("\0", "\ufffd").split("\n")
    if max(map(len, lines)) > LONGEST_LINE:
        return [line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] for line in lines]
    return lines


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if _is_compressed(path) else path.open("rb")


def _is_compressed(path: Path) -> bool:
    return path.suffix == ".gz"
