"""Storing beside joining: while PostgreSQL takes one batch, the next one is read."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import F_SETPIPE_SZ, fcntl
from multiprocessing.connection import Connection

from django.db import DatabaseError, connections

from maillog import store
from maillog.storing import send, store_all

_FORK = multiprocessing.get_context("fork")
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
    """Stores in a process of its own: a thread would take turns with the reading. The process is a copy of
    this one, for beginning anew takes as long as reading 100,000 lines.
    """

    def __init__(self) -> None:
        # A connection to the database is of one process; each opens its own.
        connections.close_all()
        theirs, self._batches = _FORK.Pipe(duplex=False)
        self._answers, answers = _FORK.Pipe(duplex=False)
        fcntl(self._batches.fileno(), F_SETPIPE_SZ, PIPE_BYTES)
        ours = (self._batches, self._answers)
        self._process = _FORK.Process(target=_store_beside, args=(theirs, answers, ours), daemon=True)
        self._process.start()
        theirs.close()
        answers.close()
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
        try:
            answer = self._answers.recv_bytes().decode()
        except EOFError:
            answer = "the storing process ended"
        if answer:
            raise StoringError(answer)
        self._unanswered -= 1

    def end(self) -> None:
        self._batches.close()
        self._process.join()
        self._answers.close()


def _store_beside(batches: Connection, answers: Connection, ends: Sequence[Connection]) -> None:
    """ends: of the other process, which has to be the only one that holds them."""
    for end in ends:
        end.close()
    store_all(batches, answers)


@contextmanager
def writing(*, size_bytes: int) -> Iterator[Writer]:
    """For a lot, beside the reading and nearly without the garbage collector: drafts hold no cycles, and
    looking for some again and again costs a fifth of the time. In a transaction of the caller's, as it is.
    """
    is_within = any(connection.in_atomic_block for connection in connections.all(initialized_only=True))
    if is_within or size_bytes < store.MUCH_BYTES:
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
