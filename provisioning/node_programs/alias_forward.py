"""Passes mail for an alias on to an address elsewhere, in the name of the alias's domain (SRS); and returns
what comes back to who sent it.

    alias-forward --secret FILE --accounts FILE --submit PROGRAM --socket PATH --pid FILE
                  [--user NAME --group NAME]

Postfix hands it over by LMTP. The recipient has one of two forms that the map of aliases leads to:

    kto=remote.example@alfa.example.forward.invalid          kto@remote.example, by an alias of alfa.example
    srs0+HASH=DAY=DOMAIN=NAME@alfa.example.return.invalid    NAME@DOMAIN, if we have signed it lately

The receiver asks SPF about the envelope's sender: one of ours. The empty one stays.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from provisioning.node_programs import service

FORWARD, RETURN = ".forward.invalid", ".return.invalid"
PREFIX = "srs0+"
DAY_SECONDS = 86400
DAYS = 1024  # two digits of base 32
GOOD_FOR_DAYS = 21
HASH_LENGTH = 10
LONGEST_LINE = 1024 * 1024
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"


class Unknown(Exception):
    """Nobody here has written to this address."""


def signed_sender(sender: str, domain: str, secret: bytes, now: float) -> str:
    """An address of the domain that leads back to the sender."""
    localpart, _at, name = sender.rpartition("@")
    day = int(now // DAY_SECONDS) % DAYS
    stamp = _DIGITS[day // 32] + _DIGITS[day % 32]
    return f"{PREFIX}{_hash(stamp, name, localpart, domain, secret)}={stamp}={name}={localpart}@{domain}"


def first_sender(localpart: str, domain: str, secret: bytes, now: float) -> str:
    """Whom an address of ours leads back to. Raises Unknown for one that is forged or too old."""
    if not localpart.lower().startswith(PREFIX):
        raise Unknown
    parts = localpart[len(PREFIX) :].split("=", 3)
    if len(parts) != 4 or not set(parts[1].lower()) <= set(_DIGITS) or len(parts[1]) != 2:
        raise Unknown
    found, stamp, name, local = parts
    expected = _hash(stamp, name, local, domain, secret)
    if not hmac.compare_digest(expected.encode(), found.lower().encode("utf-8", "surrogateescape")):
        raise Unknown
    first, second = (_DIGITS.index(digit) for digit in stamp.lower())
    age = (int(now // DAY_SECONDS) - (first * 32 + second)) % DAYS
    if age > GOOD_FOR_DAYS:
        raise Unknown
    return f"{local}@{name.lower()}"


def target_of(localpart: str) -> str:
    """Postfix appends what stood behind a "+" of the alias to the whole: it belongs to the name."""
    local, _equals, name = localpart.rpartition("=")
    name, plus, extension = name.partition("+")
    return f"{local}{plus}{extension}@{name}"


def _hash(stamp: str, name: str, localpart: str, domain: str, secret: bytes) -> str:
    """Servers on the way may change capitals."""
    text = f"{stamp}={name}={localpart}@{domain}".lower().encode("utf-8", "surrogateescape")
    return base64.b32encode(hmac.digest(secret, text, hashlib.sha256)).decode().lower()[:HASH_LENGTH]


class Hosted:
    """What the accounts file knows of a domain."""

    def __init__(self, accounts: Path) -> None:
        self.accounts = accounts

    def service(self, domain: str) -> list[str]:
        """Which of Postfix's listeners takes what leaves in its name, as bin/qmailux-submit wants it."""
        rows = self._rows("SELECT sieve_service, sieve_name FROM domain_host WHERE domain = ?", domain)
        return [str(rows[0][0]), str(rows[0][1])] if rows and rows[0][0] else []

    def _rows(self, query: str, domain: str) -> list[tuple[str, ...]]:
        with sqlite3.connect(f"file:{self.accounts}?mode=ro", uri=True, timeout=2) as connection:
            found = connection.execute(query, (domain,)).fetchall()
        connection.close()
        return found


def envelope(sender: str, recipient: str, secret: bytes) -> tuple[str, str, str]:
    """The sender and the recipient of what goes on, and the domain in whose name.

    A sender of this server is signed like any other: whoever wrote it may be a stranger, and what leaves in
    its name would be trusted.
    """
    localpart, _at, name = recipient.rpartition("@")
    if name.endswith(RETURN):
        domain = name.removesuffix(RETURN)
        return "", first_sender(localpart, domain, secret, time.time()), domain
    if not name.endswith(FORWARD):
        raise Unknown
    domain = name.removesuffix(FORWARD)
    return (
        signed_sender(sender, domain, secret, time.time()) if sender else "",
        target_of(localpart),
        domain,
    )


@dataclass(frozen=True, slots=True)
class Forwarder:
    hosted: Hosted
    submit: Path
    secret: Path

    async def pass_on(self, sender: str, recipient: str, message: bytes) -> str:
        """The answer for one recipient."""
        try:
            secret = self.secret.read_bytes().splitlines()[-1]
            found = envelope(sender, recipient, secret)
            chosen = self.hosted.service(found[2])
        except Unknown:
            return "550 5.1.1 This address was not made here, or too long ago"
        except (OSError, sqlite3.Error) as error:
            return f"451 4.3.0 {_one_line(str(error))}"
        argv = [str(self.submit), *chosen, "-f", found[0], "--", found[1]]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*argv, stdin=pipe, stderr=pipe)
        _out, said = await process.communicate(message)
        if process.returncode == 0:
            return "250 2.0.0 passed on"
        return f"451 4.3.0 {_one_line(said.decode('utf-8', 'replace'))}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """LMTP, as much of it as Postfix speaks."""
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass  # Postfix went away, and tries again
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender, recipients = "", list[str]()
        _say(writer, "220 alias-forward LMTP")
        while line := await reader.readline():
            text = line.decode("utf-8", "surrogateescape").strip()
            verb = text[:4].upper()
            if verb == "LHLO":
                _say(writer, "250-alias-forward", "250-8BITMIME", "250 ENHANCEDSTATUSCODES")
            elif verb in ("MAIL", "RSET"):
                sender, recipients = _address_in(text), []
                _say(writer, "250 2.0.0 ok")
            elif verb == "RCPT":
                recipients.append(_address_in(text))
                _say(writer, "250 2.0.0 ok")
            elif verb == "DATA":
                _say(writer, "354 go on")
                message = await _message(reader)
                for recipient in recipients:
                    _say(writer, await self.pass_on(sender, recipient, message))
                sender, recipients = "", []
            elif verb == "QUIT":
                _say(writer, "221 2.0.0 bye")
                break
            else:
                _say(writer, "250 2.0.0 ok" if verb == "NOOP" else "500 5.5.1 not known here")
            await writer.drain()


def _say(writer: asyncio.StreamWriter, *lines: str) -> None:
    writer.write("".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace"))


def _address_in(text: str) -> str:
    return text.partition("<")[2].rpartition(">")[0]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Up to the lonely dot."""
    lines: list[bytes] = []
    while True:
        line = await reader.readuntil(b"\n")
        if line in (b".\r\n", b".\n"):
            return b"".join(lines)
        lines.append(line[1:] if line.startswith(b".") else line)


def main() -> None:
    parser = argparse.ArgumentParser()
    service.add_arguments(parser, "secret", "accounts", "submit")
    options = parser.parse_args()
    # qmailux-submit is for the mail user's own group alone.
    service.begin(options, keeps_own_group=True)
    forwarder = Forwarder(Hosted(options.accounts), options.submit, options.secret)
    service.serve(forwarder.serve, options.socket, longest_line=LONGEST_LINE)
