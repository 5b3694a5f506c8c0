"""`make up` in a terminal: the logs of all programs as they come, until a signal ends the instance."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from provisioning.layout import Layout

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_SECONDS = 0.2


def stay(
    layout: Layout, process: subprocess.Popen[bytes], *, end: Callable[[], object], say: Callable[[str], None]
) -> None:
    """Stream the logs; on SIGINT, SIGTERM or SIGHUP, or when supervisord has gone, ``end`` everything and
    return.
    """
    with ExitStack() as undo:
        wakes = _wake_on_signals(undo)
        followed = _logs(layout)
        while process.poll() is None:
            for log in followed:
                log.print_news(say)
            if select.select([wakes], [], [], LOOK_SECONDS)[0]:
                say("ending: waiting for all programs")
                break
        end()
        process.wait()
        for log in followed:
            log.print_news(say)
        say("ended")


def _wake_on_signals(undo: ExitStack) -> int:
    """A pipe that becomes readable when one of the signals comes. A second one changes nothing."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    undo.callback(os.close, reader)
    undo.callback(os.close, writer)
    undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writer))
    for number in SIGNALS:
        undo.callback(signal.signal, number, signal.signal(number, lambda _number, _frame: None))
    return reader


def _logs(layout: Layout) -> list[FollowedLog]:
    names = {path.stem: path for path in sorted(layout.log.glob("*.log"))}
    names |= {path.stem: path for path in (layout.node_log / "mail.log", layout.node_log / "dovecot.log")}
    width = max(map(len, names))
    return [FollowedLog(f"{name:{width}} | ", path) for name, path in names.items()]


@dataclass(slots=True)
class FollowedLog:
    """Prints what is added to a file from now on; follows it through a rotation."""

    prefix: str
    path: Path
    stream: BufferedReader | None = None
    inode: int = 0
    rest: bytes = b""

    def __post_init__(self) -> None:
        self._open()
        if self.stream:
            self.stream.seek(0, os.SEEK_END)

    def print_news(self, say: Callable[[str], None]) -> None:
        self._print_rest_of_file(say)
        if self._was_replaced():
            self._open()
            self._print_rest_of_file(say)

    def _print_rest_of_file(self, say: Callable[[str], None]) -> None:
        if self.stream is None:
            return
        *lines, self.rest = (self.rest + self.stream.read()).split(b"\n")
        for line in lines:
            say(self.prefix + line.decode("utf-8", "replace"))

    def _was_replaced(self) -> bool:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        cut = self.stream is not None and found.st_size < self.stream.tell()
        return found.st_ino != self.inode or cut

    def _open(self) -> None:
        if self.stream:
            self.stream.close()
        try:
            self.stream = self.path.open("rb")
        except FileNotFoundError:
            self.stream = None
            return
        self.inode = os.fstat(self.stream.fileno()).st_ino
        self.rest = b""
