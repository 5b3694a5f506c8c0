"""SMTP sessions word for word, without what proves who somebody is. Pure and total.

What Postfix writes of such a session holds passwords in several forms: in the commands, and in its own
talk with Dovecot. In the joined entry none of it stands; in the log it is written over.
"""

from __future__ import annotations

import re

MASK = "********"
_AUTH = re.compile(r"(AUTH +\S+)( +\S.*)?$", re.IGNORECASE | re.DOTALL)
# A process of smtpd speaks with one client at a time.
_LINE = re.compile(rb"\S*smtpd\[(\d+)\]: (.*)")
_SAID = re.compile(rb"([<>]) \S+\[[0-9A-Fa-f.:]+\]: (.*)")
_AUTH_BYTES = re.compile(rb"AUTH +\S+ +(\S.*)", re.IGNORECASE)
# Postfix's own words about the exchange with Dovecot.
_INNER = re.compile(
    rb"(?:init_response|response|challenge|resp=|CONT\t\d+\t|decoded[^:]*:|smtpd_sasl\S*:) *(\S.*)"
)
MOST_PROCESSES = 4096


class Masking:
    """What one process's client says, line by line: from AUTH to its outcome everything is a secret."""

    def __init__(self) -> None:
        self._in_exchange: set[str] = set()

    def masked(self, process: str, side: str, said: str) -> str:
        if side == ">":
            if not said.startswith("334"):
                self._in_exchange.discard(process)
                return said
            return f"334 {MASK}"
        if process in self._in_exchange:
            return MASK
        if found := _AUTH.match(said):
            if len(self._in_exchange) >= MOST_PROCESSES:
                self._in_exchange.clear()
            self._in_exchange.add(process)
            return f"{found[1]} {MASK}" if found[2] else found[1]
        return said


class Scrubber:
    """Where in a block of a log's bytes secrets of such sessions lie."""

    def __init__(self) -> None:
        self._in_exchange: set[bytes] = set()

    def secrets_in(self, block: bytes) -> list[tuple[int, int]]:
        """Start and end of each."""
        if not self._in_exchange and b": AUTH " not in block:
            return []
        found: list[tuple[int, int]] = []
        position = 0
        for line in block.split(b"\n"):
            if match := _LINE.search(line):
                place = self._secret(match[1], match[2])
                if place is not None:
                    start = position + match.start(2)
                    found.append((start + place[0], start + place[1]))
            position += len(line) + 1
        return found

    def _secret(self, process: bytes, text: bytes) -> tuple[int, int] | None:
        said = _SAID.match(text)
        if said is None:
            inner = _INNER.search(text) if process in self._in_exchange else None
            return inner.span(1) if inner else None
        if said[1] == b">":
            if not said[2].startswith(b"334"):
                self._in_exchange.discard(process)
            return None
        if process in self._in_exchange:
            return said.span(2)
        if begun := _AUTH_BYTES.match(said[2]):
            self._in_exchange.add(process)
            return said.start(2) + begun.start(1), said.start(2) + begun.end(1)
        if said[2].upper().startswith(b"AUTH "):
            self._in_exchange.add(process)
        return None
