"""What the mail plane tells the control plane: a spool of tiny files that the mail user writes.

Nothing in it is trusted: an event is first moved to a folder that is root's, read there only if it is a plain
small file, and the names in it are checked by whoever acts on it. It is removed only after it was acted on;
one that was left behind by a killed reader is read again.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioning.layout import Layout

MOST_BYTES = 4096
MOST_AT_ONCE = 1000
# One account with thousands of messages holds up the next look.
MOST_SILENT_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Event:
    """kind: its first line; about: the second, "" when there is none; words: the lines that follow."""

    path: Path
    kind: str
    about: str
    words: tuple[str, ...] = ()

    def done(self) -> None:
        self.path.unlink(missing_ok=True)


def has_events(layout: Layout) -> bool:
    """One look at two folders: asked several times a second."""
    return any(_names(folder) for folder in (layout.events / "new", layout.taken_events))


def take_events(layout: Layout) -> Iterator[Event]:
    """Those left behind first. Who comes again while an event is acted on leaves a new one."""
    for name in _names(layout.taken_events)[:MOST_AT_ONCE]:
        yield from _read(layout.taken_events / name)
    for name in _names(layout.events / "new")[:MOST_AT_ONCE]:
        taken = layout.taken_events / name
        if taken.exists():
            continue  # acted on by the next round
        try:
            (layout.events / "new" / name).rename(taken)
        except OSError:
            continue
        yield from _read(taken)


def note_alive(layout: Layout) -> None:
    """The learner looked into the spool just now."""
    layout.learner_alive.touch()


def learner_fault(layout: Layout) -> str:
    """Why nobody looks into the spool, in words; "" when the learner does."""
    try:
        age = time.time() - layout.learner_alive.stat().st_mtime
    except FileNotFoundError:
        return f"no {layout.learner_alive} yet"
    return "" if age < MOST_SILENT_SECONDS else f"it has not looked into the spool for {age:.0f} seconds"


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  # names alone, and no stat of each
    except FileNotFoundError:
        return []


def _read(path: Path) -> Iterator[Event]:
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(path)
        return
    if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
        path.unlink()
        return
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as stream:
        lines = stream.read(MOST_BYTES).decode("utf-8", "replace").split("\n")
    yield Event(path, lines[0], lines[1] if len(lines) > 1 else "", tuple(lines[2:]))
