"""Runs inside the machine, with Debian's Python and nothing of ours: what a person with a mail program does.

person.py send SUBJECT | read | hold COMMAND...
"""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import subprocess
import sys

ADDRESS, PASSWORD = "ala@firma.test", "Zielona-Papuga-7"


def mailbox() -> imaplib.IMAP4_SSL:
    trusted = ssl.create_default_context(cafile="/var/lib/qmailux/node/tls/ca.crt")
    session = imaplib.IMAP4_SSL("localhost", 993, ssl_context=trusted)
    session.login(ADDRESS, PASSWORD)
    session.select("INBOX")
    return session


def send(subject: str) -> None:
    # As a notice of delivery comes: this machine has no DNS, and no sender's domain exists without it.
    with smtplib.SMTP("127.0.0.1", 25) as client:
        client.sendmail("", [ADDRESS], f"From: x@else.test\r\nSubject: {subject}\r\n\r\nhello\r\n")


def read() -> None:
    with mailbox() as session:
        for number in session.search(None, "ALL")[1][0].split():
            found = session.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0]
            assert isinstance(found, tuple)
            print(found[1].decode().strip().removeprefix("Subject: "))


def hold(command: list[str]) -> None:
    """Sessions that are open while the command runs and work after it."""
    with mailbox() as session, smtplib.SMTP("127.0.0.1", 25) as client:
        client.ehlo()
        print(subprocess.run(command, check=False).returncode)
        print(session.noop()[0], client.docmd("NOOP")[0])


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "send":
        send(rest[0])
    elif verb == "read":
        read()
    else:
        hold(rest)
