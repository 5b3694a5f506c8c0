"""Storing beside joining: while PostgreSQL takes one batch, the next one is read."""

from __future__ import annotations

import gc
import multiprocessing
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from django.db import DatabaseError, connections, transaction

from maillog import indexes, store
from maillog.router import LOGS

_FORK = multiprocessing.get_context("fork")
# Parsed headers hold a few cycles: so memory stays bounded whatever the file's size.
BATCHES_A_COLLECTION = 32
# One is stored while the rows of the next one are made: so memory is bounded.
MOST_COPIES = 2


class StoringError(DatabaseError):
    """A batch could not be stored; its text says why."""


class Writer:
    """Batches are stored in their order. After a failure, which the next call raises, none is."""

    def put(self, batch: store.Batch) -> None:
        store.write(batch)

    def drain(self) -> None:
        """Until everything is stored."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A process that stores one batch. answer: empty, or why it could not. The batch is held here until then:
    what is let go of while a copy shares its memory, the machine copies first.
    """

    process: BaseProcess
    answer: Connection
    batch: store.Batch


class BesideWriter(Writer):
    """Each batch is stored by a copy of this process: a thread would take turns with the reading, and to hand
    drafts over costs more than to copy. A copy makes its rows at once and stores them when the one before
    it has stored its own.
    """

    def __init__(self) -> None:
        self._copies: deque[Copy] = deque()
        self._before: Connection | None = None
        self._count = 0

    def put(self, batch: store.Batch) -> None:
        while self._copies and (len(self._copies) >= MOST_COPIES or self._copies[0].answer.poll()):
            self._await_oldest()
        # A connection to the database is of one process; each opens its own.
        connections.close_all()
        answer, answered = _FORK.Pipe(duplex=False)
        turn, passed_on = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=_store, args=(batch, self._before, passed_on, answered), daemon=True)
        process.start()
        # Held by the copy alone: so its end is seen, however it ends.
        for end in filter(None, (answered, passed_on, self._before)):
            end.close()
        self._before = turn
        self._copies.append(Copy(process, answer, batch))
        self._count += 1
        if self._count % BATCHES_A_COLLECTION == 0:
            gc.collect()

    def drain(self) -> None:
        while self._copies:
            self._await_oldest()

    def _await_oldest(self) -> None:
        copy = self._copies[0]
        try:
            said = copy.answer.recv_bytes().decode()
        except EOFError:
            said = "the storing process ended"
        if said:
            raise StoringError(said)
        self._end_oldest()

    def _end_oldest(self) -> None:
        copy = self._copies.popleft()
        copy.process.join()
        copy.answer.close()

    def end(self) -> None:
        while self._copies:
            self._end_oldest()
        if self._before is not None:
            self._before.close()


def _store(
    batch: store.Batch, before: Connection | None, passed_on: Connection, answered: Connection
) -> None:
    """In the copy. before: tells that the batch before is stored."""
    try:
        rows = store.rows_of(batch)
        if before is not None:
            before.recv_bytes()
        with transaction.atomic(using=LOGS):
            if before is None:
                indexes.leave_out()
            store.write(batch, rows)
    except EOFError:
        answered.send_bytes(b"the batch before was not stored")
    except Exception as error:
        answered.send_bytes((" ".join(str(error).split()) or type(error).__name__).encode())
    else:
        passed_on.send_bytes(b"")
        answered.send_bytes(b"")


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
        indexes.make_and_count()
        # What is held by now holds no cycles either: at its end the program would look for some once more.
        gc.freeze()
        if was_on:
            gc.enable()
