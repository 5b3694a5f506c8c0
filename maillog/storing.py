"""python -m maillog.storing DATABASE: the process that stores what another one joins.

Batches come in by standard input, each answered by a line: empty, or why it could not be stored. After a
failure nothing more is stored.
"""

from __future__ import annotations

import gc
import marshal
import sys
from queue import Queue
from threading import Thread
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from maillog.store import Batch

_LENGTH_BYTES = 8
_Frame = bytes


def send(batch: Batch, pipe: IO[bytes]) -> None:
    """marshal: both ends are one program of one version, and it is quicker than all that is safer."""
    content = marshal.dumps(batch.plain())
    pipe.write(len(content).to_bytes(_LENGTH_BYTES, "big"))
    pipe.write(content)
    pipe.flush()


def _received(pipe: IO[bytes]) -> _Frame | None:
    """None at the end; also for half a batch, of a reader that was killed."""
    length = int.from_bytes(pipe.read(_LENGTH_BYTES), "big")
    content = pipe.read(length) if length else b""
    return content if length and len(content) == length else None


def _take(frames: Queue[_Frame | None]) -> None:
    """Beside the storing, so that the other side need not wait while it hands over the next one."""
    while (frame := _received(sys.stdin.buffer)) is not None:
        frames.put(frame)
    frames.put(None)


def main(database: str) -> None:
    import django

    django.setup()
    from django.db import connections

    from maillog import store
    from maillog.router import LOGS

    # The database of the other side, which is a test's own in tests.
    connections[LOGS].settings_dict["NAME"] = database
    # What is read holds no cycles; looking for some again and again costs a fifth of the time.
    gc.disable()
    frames: Queue[_Frame | None] = Queue(maxsize=1)
    Thread(target=_take, args=(frames,), daemon=True).start()
    while (frame := frames.get()) is not None:
        try:
            store.write(store.Batch.of_plain(marshal.loads(frame)))  # noqa: S302  # of our own other half
        except Exception as error:
            print(" ".join(str(error).split()) or type(error).__name__, flush=True)
            return
        print(flush=True)
    store.count_anew()


if __name__ == "__main__":
    main(sys.argv[1])
