"""Made-up mail logs as a busy server writes them: many messages at once, their lines interleaved."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

HOST = "mx"
START = datetime(2026, 6, 1, tzinfo=UTC)
MESSAGES_A_SECOND = 50
SUBJECTS = ("Faktura", "Oferta handlowa", "Re: spotkanie", "=?utf-8?q?Zam=C3=B3wienie?= 7", "Raport dzienny")
_DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"


def write_log(path: Path, lines: int, *, seed: int = 1, start: datetime = START) -> int:
    """So many lines or a few more; returns how many."""
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for line in _interleaved(random.Random(seed), start):
            file.write(line)
            written += 1
            if written >= lines:
                break
    return written


def _interleaved(chance: random.Random, start: datetime) -> Iterator[str]:
    """The lines of all messages by their time."""
    waiting: list[tuple[float, int, str]] = []
    number = 0
    second = 0
    while True:
        for _message in range(MESSAGES_A_SECOND):
            at = second + chance.random()
            for offset, text in _message_lines(chance, number):
                heapq.heappush(waiting, (at + offset, len(waiting) + number * 100, text))
            number += 1
        second += 1
        while waiting and waiting[0][0] < second:
            at, _, text = heapq.heappop(waiting)
            yield f"{start + timedelta(seconds=int(at)):%b %e %H:%M:%S} {HOST} {text}\n"


def _message_lines(chance: random.Random, number: int) -> list[tuple[float, str]]:
    address = f"{chance.randint(11, 200)}.{chance.randint(0, 255)}.{chance.randint(0, 255)}.7"
    client = f"mx{number % 5000}.klient.example[{address}]"
    sender = f"nadawca{chance.randint(0, 200_000)}@domena{number % 3000}.example"
    recipient = f"konto{chance.randint(0, 100_000)}@firma{number % 700}.test"
    pid = 2000 + number % 400
    smtpd, cleanup = f"postfix/mx/smtpd[{pid}]", f"postfix/cleanup[{pid + 500}]"
    fate = chance.random()
    if fate < 0.3:
        refusal = "550 5.1.1 <{0}>: Recipient address rejected: User unknown in virtual mailbox table"
        if fate < 0.2:
            refusal = "554 5.7.1 Service unavailable; Client host [" + address + "] blocked using bl1.test"
        tail = f"from=<{sender}> to=<{recipient}> proto=ESMTP helo=<mx.klient.example>"
        said = refusal.format(recipient)
        return [
            (0.0, f"{smtpd}: connect from {client}"),
            (0.1, f"{smtpd}: NOQUEUE: reject: RCPT from {client}: {said}; {tail}"),
            (0.2, f"{smtpd}: disconnect from {client} ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4"),
        ]
    queue_id = "4j" + "".join(chance.choices(_DIGITS, k=9)) + "z" + f"{number % 10_000:04}".replace("0", "B")
    tail = f"from=<{sender}> to=<{recipient}> proto=ESMTP helo=<mx.klient.example>"
    subject, size = f"{SUBJECTS[number % 5]} {number}", chance.randint(900, 90_000)
    lines = [
        (0.0, f"{smtpd}: connect from {client}"),
        (
            0.05,
            f"{smtpd}: Anonymous TLS connection established from {client}: TLSv1.3 with cipher X",
        ),
        (0.1, f"{smtpd}: {queue_id}: client={client}"),
        (
            0.2,
            f"{cleanup}: {queue_id}: info: header Subject: {subject} from {client}; {tail}",
        ),
        (0.21, f"{cleanup}: {queue_id}: message-id=<{number}.{chance.random()}@klient.example>"),
        (
            0.3,
            f"postfix/qmgr[900]: {queue_id}: from=<{sender}>, size={size}, nrcpt=1 (queue active)",
        ),
        (0.4, f"{smtpd}: disconnect from {client} ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7"),
    ]
    relay = f"to=<{recipient}>, relay=mx.firma.test[private/dovecot-lmtp], delay=0.5, delays=0.2/0/0/0.3"
    if fate > 0.95:
        said = "host mx.firma.test[private/dovecot-lmtp] said: 451 4.3.0 Temporary internal error"
        lines.append((2.0, f"postfix/lmtp[901]: {queue_id}: {relay}, dsn=4.3.0, status=deferred ({said})"))
    session = "".join(chance.choices(_DIGITS, k=22))
    delivered = f"250 2.0.0 <{recipient}> {session} Saved"
    lines.append((3.5, f"postfix/lmtp[901]: {queue_id}: {relay}, dsn=2.0.0, status=sent ({delivered})"))
    lines.append((3.6, f"postfix/qmgr[900]: {queue_id}: removed"))
    return lines
