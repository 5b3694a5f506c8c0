"""Storing beside joining: while PostgreSQL takes one batch, the next one is read."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, cast

from django.conf import settings
from django.db import DatabaseError, connections

from maillog import store
from maillog.router import LOGS
from maillog.storing import send

# Parsed headers hold a few cycles: so memory stays bounded whatever the file's size.
BATCHES_A_COLLECTION = 32
# One is stored while the next one waits: so memory is bounded.
MOST_UNANSWERED = 2
# A batch has megabytes: the 64 KB of a pipe would wake both ends for each of them.
PIPE_BYTES = 1024 * 1024


class StoringError(DatabaseError):
    """A batch could not be stored; its text says why."""


class Writer:
    """Batches are stored in their order. After a failure, which the next call raises, none is."""

    def put(self, batch: store.Batch) -> None:
        store.write(batch)

    def drain(self) -> None:
        """Until everything is stored."""


class BesideWriter(Writer):
    """Stores in a process of its own: a thread would take turns with the reading."""

    def __init__(self) -> None:
        database = str(connections[LOGS].settings_dict["NAME"])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "maillog.storing", database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=settings.BASE_DIR,
            pipesize=PIPE_BYTES,
        )
        self._batches = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)
        self._unanswered = 0
        self._count = 0

    def put(self, batch: store.Batch) -> None:
        while self._unanswered >= MOST_UNANSWERED:
            self._await_answer()
        try:
            send(batch, self._batches)
        except BrokenPipeError:
            self._await_answer()
        self._unanswered += 1
        self._count += 1
        if self._count % BATCHES_A_COLLECTION == 0:
            gc.collect()

    def drain(self) -> None:
        while self._unanswered:
            self._await_answer()

    def _await_answer(self) -> None:
        answer = self._answers.readline().decode()
        if answer != "\n":
            raise StoringError(answer.strip() or "the storing process ended")
        self._unanswered -= 1

    def end(self) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()


@contextmanager
def writing(*, size_bytes: int) -> Iterator[Writer]:
    """For a lot, beside the reading and nearly without the garbage collector: drafts hold no cycles, and
    looking for some again and again costs a fifth of the time. In a transaction of the caller's, as it is.
    """
    if size_bytes < store.MUCH_BYTES or connections[LOGS].in_atomic_block:
        yield Writer()
        return
    was_on = gc.isenabled()
    gc.disable()
    writer = BesideWriter()
    try:
        yield writer
        writer.drain()
    finally:
        writer.end()
        if was_on:
            gc.enable()
