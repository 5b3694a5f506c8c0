"""Mail that comes in here and is passed on to another server gets the marks of spam that mail for a mailbox
here has: the other server, or its people's filters, go by them.

Part of outgoing-scan. It never holds mail up: what could not be searched is passed on, and says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from provisioning.node_programs.scanning import Marks, Message, NoAnswer, Scanners

# How smtpd says to its milters that mail comes in from elsewhere (master.cf), and the transport of relay
# domains.
DAEMON_NAME, TRANSPORT = "incoming", "relay"
# No mailbox: the server's own settings count. With an "@", unlike what people send, so allow lists do too.
SPAM_USER = "relayed@incoming"
SCAN = "X-QM-Scan"
# Ours alone: what a sender claims of them is taken away.
MARKS = ("X-Spam-Flag", "X-Spam-Level", "X-Spam-Score", "X-Spam-Status")
FORGED = frozenset(name.lower() for name in (*MARKS, "X-Spam-Checker-Version", "X-Spam-Prev-Subject", SCAN))
SUBJECT = "subject"


class Editor(Protocol):
    """What libmilter can do to a header at the end of a message (smfi_addheader, smfi_chgheader)."""

    def addheader(self, name: str, value: str) -> object: ...

    def chgheader(self, name: str, number: int, value: str) -> object: ...


@dataclass(slots=True)
class Relayed:
    """One message that came in."""

    is_wanted: bool = False
    is_mixed: bool = False
    forged: Counter[str] = field(default_factory=Counter)

    def add_recipient(self, transport: str) -> None:
        if transport == TRANSPORT:
            self.is_wanted = True
        else:
            self.is_mixed = True

    def is_forged(self, name: str) -> bool:
        """Counted, for it is taken away at the end."""
        if name.lower() not in FORGED:
            return False
        self.forged[name.lower()] += 1
        return True

    def mark(self, editor: Editor, message: Message, scanners: Scanners, limit_bytes: int) -> list[str]:
        """What is to be told in the log."""
        for name, count in self.forged.items():
            for number in range(count, 0, -1):
                editor.chgheader(name, number, "")
        if message.size() > limit_bytes:
            editor.addheader(SCAN, "skipped: large")
            return []
        try:
            marks = scanners.marks(message, SPAM_USER)
        except (OSError, NoAnswer) as error:
            editor.addheader(SCAN, "failed")
            return [f"passed on without spam check: {error}"]
        self._put(editor, marks)
        return [
            f"passed on, {'spam' if marks.is_spam else 'no spam'} {marks.points:.1f}/{marks.required:.1f}"
        ]

    def _put(self, editor: Editor, marks: Marks) -> None:
        wanted = {name.lower() for name in MARKS}
        for name, value in marks.headers:
            if name.lower() in wanted:
                editor.addheader(name, _text(value))
            elif name.lower() == SUBJECT and marks.is_spam and not self.is_mixed and _is_utf8(value):
                # Who has a mailbox here decides about the subject by settings of their own.
                editor.chgheader(name, 1, _text(value))


def _text(value: bytes) -> str:
    """As Postfix wants a header of several lines."""
    return value.decode("utf-8", "replace").replace("\r\n", "\n")


def _is_utf8(value: bytes) -> bool:
    """libmilter's Python takes nothing else."""
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
