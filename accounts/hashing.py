"""Stored forms of many passwords, on all cores.

`python -m accounts.hashing` is a process that hashes: a password comes in as a line of JSON, its stored form
goes out as a line. Threads would do too, for Argon2 lets go of the interpreter's lock; but each hash asks the
kernel for 19 MB, and threads of one process wait for each other there: a third of the speed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import IO, cast

from django.conf import settings
from django.contrib.auth.hashers import make_password

Progress = Callable[[int, int], None]

# Whoever looks at a page comes before a bulk file.
NICENESS = 10
# What a process hashes while another one starts.
WORTH_A_PROCESS = 10


def hashed(passwords: Sequence[str], progress: Progress) -> Iterator[str]:
    """Stored forms in order; "" of "". progress(done, total) after each; what it raises ends the hashing."""
    asked = [password for password in passwords if password]
    with _hashing(min(os.cpu_count() or 1, len(asked) // WORTH_A_PROCESS)) as finished:
        stored = finished(asked)
        for done, password in enumerate(passwords, start=1):
            encoded = next(stored) if password else ""
            progress(done, len(passwords))
            yield encoded


@contextmanager
def _hashing(count: int) -> Iterator[Callable[[Sequence[str]], Iterator[str]]]:
    """By so many processes; by none, here."""
    if not count:
        yield lambda passwords: map(make_password, passwords)
        return
    processes = [_started() for _number in range(count)]
    free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
    for process in processes:
        free.put(process)

    def ask(password: str) -> str:
        process = free.get()
        try:
            return _answer(process, password)
        finally:
            free.put(process)

    pool = ThreadPoolExecutor(max_workers=count)
    try:
        yield lambda passwords: pool.map(ask, passwords)
    finally:
        # Whoever cancels does not wait for ten thousand more.
        pool.shutdown(cancel_futures=True)
        for process in processes:
            process.communicate()


def _started() -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "accounts.hashing"]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, cwd=settings.BASE_DIR, text=True)


def _answer(process: subprocess.Popen[str], password: str) -> str:
    asked, answers = cast(IO[str], process.stdin), cast(IO[str], process.stdout)
    with suppress(BrokenPipeError):
        asked.write(json.dumps(password) + "\n")
        asked.flush()
    stored = answers.readline().rstrip("\n")
    if not stored:
        raise RuntimeError("a process that hashes passwords has ended")
    return stored


def main() -> None:
    os.nice(NICENESS)
    for line in sys.stdin:
        print(make_password(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
