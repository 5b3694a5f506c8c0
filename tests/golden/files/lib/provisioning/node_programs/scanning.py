# managed by QmaiLux: changes made here are overwritten
"""What clamd and spamd say of a message that a milter was given. Standard library alone."""

from __future__ import annotations

import os
import re
import socket
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

CONNECT_SECONDS, ANSWER_SECONDS = 10, 120
CHUNK = 64 * 1024
IN_MEMORY = 1024 * 1024
LONGEST_ANSWER = 256 * 1024
_SPAM = re.compile(rb"^Spam:\s*(\w+)\s*;\s*(-?[\d.]+)\s*/\s*(-?[\d.]+)", re.MULTILINE | re.IGNORECASE)
_HEADER = re.compile(rb"^([!-9;-~]+):[ \t]?(.*(?:\r?\n[ \t].*)*)", re.MULTILINE)
_ODD = re.compile(r"[^\w.@+=-]", re.ASCII)


class NoAnswer(Exception):
    """The scanner cannot say anything about the message."""


def _temporary() -> IO[bytes]:
    """In memory while it is small; whoever has judged the message closes it."""
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)


@dataclass(slots=True)
class Message:
    """As its milter is given it, piece by piece."""

    sender: str
    login: str
    content: IO[bytes] = field(default_factory=_temporary)

    def add_header(self, name: str, value: bytes) -> None:
        lines = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self.content.write(name.encode("ascii", "replace") + b": " + lines.lstrip(b" ") + b"\r\n")

    def chunks(self) -> Iterator[bytes]:
        self.content.seek(0)
        while chunk := self.content.read(CHUNK):
            yield chunk

    def size(self) -> int:
        return self.content.seek(0, os.SEEK_END)


@dataclass(frozen=True, slots=True)
class Marks:
    """What spamd wants to stand in the message's header, in its order, the subject among it."""

    is_spam: bool
    points: float
    required: float
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Scanners:
    """Unix sockets of the two. Each question raises OSError or NoAnswer when it gets no answer."""

    clamd: Path
    spamd: Path

    def virus(self, message: Message) -> str:
        """The name of what was found, "" when nothing was. clamd(8), INSTREAM."""
        with _connected(self.clamd) as connection:
            connection.sendall(b"zINSTREAM\0")
            for chunk in message.chunks():
                connection.sendall(struct.pack("!I", len(chunk)) + chunk)
            connection.sendall(struct.pack("!I", 0))
            answer = _all_of(connection).rstrip(b"\0").decode("ascii", "replace")
        found = answer.removeprefix("stream: ")
        if found == "OK":
            return ""
        if not found.endswith(" FOUND"):
            raise NoAnswer(found[:200] or "no answer")
        return _ODD.sub("_", found.removesuffix(" FOUND"))[:100]

    def spam(self, message: Message, user: str) -> tuple[float, str]:
        """Its points, and the tests that gave them. The protocol of spamd(1), SYMBOLS."""
        found, tests = self._asked("SYMBOLS", message, user)
        return float(found[2]), re.sub(r"[^\w,]", "", tests.decode("ascii", "replace"))[:500]

    def marks(self, message: Message, user: str) -> Marks:
        """As spamd(1) marks it, HEADERS."""
        found, text = self._asked("HEADERS", message, user)
        headers = tuple((name.decode(), value.rstrip(b"\r")) for name, value in _HEADER.findall(text))
        return Marks(found[1].lower() in (b"true", b"yes"), float(found[2]), float(found[3]), headers)

    def _asked(self, question: str, message: Message, user: str) -> tuple[re.Match[bytes], bytes]:
        head = f"{question} SPAMC/1.5\r\nUser: {user}\r\nContent-length: {message.size()}\r\n\r\n"
        with _connected(self.spamd) as connection:
            connection.sendall(head.encode())
            for chunk in message.chunks():
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
            answer, _blank, told = _all_of(connection).partition(b"\r\n\r\n")
        found = _SPAM.search(answer)
        if not answer.startswith(b"SPAMD/") or b" 0 EX_OK" not in answer.splitlines()[0] or found is None:
            raise NoAnswer(answer[:200].decode("ascii", "replace").strip() or "no answer")
        return found, told


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_SECONDS)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    connection.settimeout(ANSWER_SECONDS)
    return connection


def _all_of(connection: socket.socket) -> bytes:
    found = b""
    while len(found) < LONGEST_ANSWER and (part := connection.recv(CHUNK)):
        found += part
    return found


def log_line(queue_id: str, message: Message, said: str) -> str:
    """Whoever sent it stands last: nothing behind it can be taken for ours. Without a login the server sends
    it for somebody.
    """
    text = "".join(sign if sign.isprintable() else " " for sign in said)
    who = f"login={message.login}" if message.login else f"from={message.sender}"
    return f"{queue_id or 'NOQUEUE'}: {text}; {_ODD.sub('_', who)[:260]}"
