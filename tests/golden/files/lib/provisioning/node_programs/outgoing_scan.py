# managed by QmaiLux: changes made here are overwritten
"""Searches what people of this server send for viruses and spam before it is taken: a milter for Postfix.

    outgoing-scan --settings FILE --clamd SOCKET --spamd SOCKET --socket PATH --pid FILE
                  [--user NAME --group NAME]

The settings are read at each message, so a switch needs no restart. What is found is refused or put on hold.
What the server itself sends for people (forwards, answers) comes without a login: nobody is there to be
refused, so what is found in it is put on hold in any case. While a scanner is down the mail waits or passes,
as chosen, and either is written to syslog: no message ever passes unsearched in silence, as it does with
spamass-milter.

Needs Debian's python3-milter (libmilter), which is imported when the service begins.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import struct
import syslog
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from provisioning.node_programs import service

CONNECT_SECONDS, ANSWER_SECONDS = 10, 120
CHUNK = 64 * 1024
IN_MEMORY = 1024 * 1024
LONGEST_ANSWER = 64 * 1024
# No mailbox: nobody's own preferences and nothing that anybody taught.
SPAM_USER = "outgoing"
_SPAM = re.compile(rb"^Spam:\s*\w+\s*;\s*(-?[\d.]+)\s*/", re.MULTILINE | re.IGNORECASE)
_ODD = re.compile(r"[^\w.@+=-]", re.ASCII)


class NoAnswer(Exception):
    """The scanner cannot say anything about the message."""


@dataclass(frozen=True, slots=True)
class Rule:
    """found: "refuse" or "hold". on_failure: "defer" or "accept". points: from which on it is spam."""

    found: str
    on_failure: str
    points: float = 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """None: it is not searched for. A message of more bytes is not asked about at spamd: scoring it would
    take minutes.
    """

    viruses: Rule | None = None
    spam: Rule | None = None
    spam_limit_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """action: "pass", "refuse", "hold" or "wait". answer: to the sender. said: for the log."""

    action: str = "pass"
    answer: str = ""
    said: tuple[str, ...] = ()


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


def read_settings(path: Path) -> Settings:
    """Lines "viruses FOUND ON_FAILURE", "spam FOUND ON_FAILURE POINTS", "spam-limit BYTES"."""
    viruses, spam, limit = None, None, 0
    for line in path.read_text().splitlines():
        match line.split():
            case ["viruses", found, on_failure]:
                viruses = Rule(found, on_failure)
            case ["spam", found, on_failure, points]:
                spam = Rule(found, on_failure, float(points))
            case ["spam-limit", number]:
                limit = int(number)
    return Settings(viruses, spam, limit)


@dataclass(frozen=True, slots=True)
class Scanners:
    """Unix sockets of the two."""

    clamd: Path
    spamd: Path

    def judge(self, message: Message, settings: Settings) -> Verdict:
        """Viruses first: what holds one is not scored."""
        said: list[str] = []
        if (rule := settings.viruses) is not None:
            try:
                name = self.virus(message)
            except (OSError, NoAnswer) as error:
                if rule.on_failure == "defer":
                    return _wait("virus", error)
                said.append(f"passed without virus check: {error}")
            else:
                if name:
                    action = _action(rule, message)
                    answer = f"This message holds a virus and was not sent: {name}"
                    return Verdict(action, answer, (f"{_DONE[action]}, virus {name}",))
        if (rule := settings.spam) is not None and message.size() <= settings.spam_limit_bytes:
            try:
                points, tests = self.spam(message)
            except (OSError, NoAnswer) as error:
                if rule.on_failure == "defer":
                    return _wait("spam", error)
                said.append(f"passed without spam check: {error}")
            else:
                if points >= rule.points:
                    action = _action(rule, message)
                    answer = f"This message reads like spam and was not sent ({points:.1f} points)"
                    told = f"{_DONE[action]}, spam {points:.1f}/{rule.points:.1f} {tests}"
                    return Verdict(action, answer, (*said, told))
        return Verdict(said=tuple(said))

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

    def spam(self, message: Message) -> tuple[float, str]:
        """Its points, and the tests that gave them. The protocol of spamd(1), SYMBOLS."""
        head = f"SYMBOLS SPAMC/1.5\r\nUser: {SPAM_USER}\r\nContent-length: {message.size()}\r\n\r\n"
        with _connected(self.spamd) as connection:
            connection.sendall(head.encode())
            for chunk in message.chunks():
                connection.sendall(chunk)
            connection.shutdown(socket.SHUT_WR)
            answer, _blank, tests = _all_of(connection).partition(b"\r\n\r\n")
        found = _SPAM.search(answer)
        if not answer.startswith(b"SPAMD/") or b" 0 EX_OK" not in answer.splitlines()[0] or found is None:
            raise NoAnswer(answer[:200].decode("ascii", "replace").strip() or "no answer")
        return float(found[1]), re.sub(r"[^\w,]", "", tests.decode("ascii", "replace"))[:500]


# What stands in the log, which the control plane counts.
_DONE = {"refuse": "refused", "hold": "held"}


def _action(rule: Rule, message: Message) -> str:
    return rule.found if message.login else "hold"


def _wait(what: str, error: Exception) -> Verdict:
    answer = f"The {what} check does not answer at present: try again later"
    return Verdict("wait", answer, (f"deferred, no {what} check: {error}",))


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


def _milter(settings: Path, scanners: Scanners) -> type[Any]:
    """libmilter calls one object of it for each connection."""
    import Milter  # type: ignore[import-not-found,unused-ignore]  # Debian's, not in our venv

    class Scan(Milter.Base):  # type: ignore[misc,unused-ignore]
        message: Message

        def envfrom(self, sender: str, *_words: str) -> Any:
            login = self.getsymval("{auth_authen}") or ""
            self.message = Message(sender.strip("<>"), login)
            return Milter.CONTINUE

        def header(self, name: str, value: bytes) -> Any:
            self.message.add_header(name, value)
            return Milter.CONTINUE

        header_bytes = header  # as it came, not decoded

        def eoh(self) -> Any:
            self.message.content.write(b"\r\n")
            return Milter.CONTINUE

        def body(self, chunk: bytes) -> Any:
            self.message.content.write(chunk)
            return Milter.CONTINUE

        def eom(self) -> Any:
            try:
                verdict = scanners.judge(self.message, read_settings(settings))
            except (OSError, ValueError) as error:
                verdict = _wait("outgoing", error)
            for said in verdict.said:
                syslog.syslog(syslog.LOG_INFO, log_line(self.getsymval("i") or "", self.message, said))
            self.message.content.close()
            if verdict.action == "hold":
                self.quarantine(verdict.answer)
            elif verdict.action == "refuse":
                self.setreply("550", "5.7.1", verdict.answer)
                return Milter.REJECT
            elif verdict.action == "wait":
                self.setreply("451", "4.7.1", verdict.answer)
                return Milter.TEMPFAIL
            return Milter.ACCEPT

    return Scan


def main() -> None:
    parser = argparse.ArgumentParser()
    service.add_arguments(parser, "settings", "clamd", "spamd")
    options = parser.parse_args()
    syslog.openlog("outgoing-scan", syslog.LOG_PID, syslog.LOG_MAIL)
    scan = _milter(options.settings, Scanners(options.clamd, options.spamd))
    service.begin(options)

    import Milter

    Milter.factory = scan
    Milter.set_flags(Milter.QUARANTINE)
    os.umask(0o111)  # whoever gets into its folder may ask it
    Milter.runmilter("outgoing-scan", f"unix:{options.socket}", 300)
