"""What the process does that stores what another one joins.

Batches come in by a pipe, each answered by a text: empty, or why it could not be stored. After a failure
nothing more is stored.
"""

from __future__ import annotations

import marshal
from multiprocessing.connection import Connection
from queue import Queue
from threading import Thread

from maillog import store


def send(batch: store.Batch, pipe: Connection) -> None:
    """marshal: both ends are one program of one version, and it is quicker than all that is safer."""
    pipe.send_bytes(marshal.dumps(batch.plain()))


def store_all(batches: Connection, answers: Connection) -> None:
    """Until the other side closes its end."""
    frames: Queue[bytes | None] = Queue(maxsize=1)
    Thread(target=_take, args=(batches, frames), daemon=True).start()
    while (frame := frames.get()) is not None:
        try:
            store.write(store.Batch.of_plain(marshal.loads(frame)))  # noqa: S302  # of our own other half
        except Exception as error:
            answers.send_bytes((" ".join(str(error).split()) or type(error).__name__).encode())
            return
        answers.send_bytes(b"")
    store.count_anew()


def _take(batches: Connection, frames: Queue[bytes | None]) -> None:
    """Beside the storing, so that the other side need not wait while it hands over the next one."""
    while (frame := _received(batches)) is not None:
        frames.put(frame)
    frames.put(None)


def _received(batches: Connection) -> bytes | None:
    """None at the end; also for half a batch, of a reader that was killed."""
    try:
        return batches.recv_bytes()
    except (EOFError, OSError):
        return None
