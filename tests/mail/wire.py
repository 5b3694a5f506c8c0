"""Ordinary mail clients, as a test wants to speak: SMTP, submission, IMAP, POP3, ManageSieve."""

from __future__ import annotations

import base64
import imaplib
import itertools
import poplib
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Literal

from django.contrib.auth import authenticate
from django.test import RequestFactory

from provisioning.layout import Layout

Tls = Literal["none", "starttls", "implicit"]
TLS_MODES: tuple[Tls, ...] = ("none", "starttls", "implicit")
# From the server's own address Dovecot calls every session secured: tests of "without TLS" come from
# elsewhere.
CLIENT_ADDRESS = "127.0.0.2"
# Each test sends from another server, so that what one of them may do in a minute does not run out.
_servers = itertools.cycle(f"127.0.{third}.{fourth}" for third in range(1, 9) for fourth in range(1, 255))


def client_context() -> ssl.SSLContext:
    """TLS without a look at the name: certificates have tests of their own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def panel_accepts(login: str, password: str) -> bool:
    """Whether the panel's door opens."""
    return authenticate(RequestFactory().post("/login/"), username=login, password=password) is not None


@dataclass(frozen=True, slots=True)
class Wire:
    """Clients of one instance. server: the address that mail for its people comes from."""

    layout: Layout
    server: str = field(default_factory=lambda: next(_servers))

    @contextmanager
    def smtp(self) -> Iterator[smtplib.SMTP]:
        """As another server, on port 25."""
        client = smtplib.SMTP(
            "127.0.0.1",
            self.layout.port("smtp"),
            local_hostname="mx.obcy.example",
            source_address=(self.server, 0),
        )
        try:
            yield client
        finally:
            client.close()

    def deliver(self, *recipients: str, text: str = "", sender: str = "x@obcy.example") -> None:
        """One message to the recipients by port 25; raises SMTPRecipientsRefused when all are refused."""
        with self.smtp() as client:
            refused = client.sendmail(sender, list(recipients), (text or letter("Witaj")).encode())
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)

    def rcpt(self, recipient: str, *, sender: str = "x@obcy.example", size: int = 0) -> tuple[int, str]:
        """What the server answers to RCPT TO."""
        with self.smtp() as client:
            client.ehlo()
            code, answer = client.mail(sender, [f"SIZE={size}"] if size else [])
            if code == 250:
                code, answer = client.rcpt(recipient)
            return code, answer.decode()

    @contextmanager
    def submission(self, tls: Tls = "starttls") -> Iterator[smtplib.SMTP]:
        client: smtplib.SMTP
        source = (CLIENT_ADDRESS, 0)
        if tls == "implicit":
            client = smtplib.SMTP_SSL(
                "127.0.0.1", self.layout.port("smtps"), context=client_context(), source_address=source
            )
        else:
            client = smtplib.SMTP("127.0.0.1", self.layout.port("submission"), source_address=source)
            if tls == "starttls":
                client.starttls(context=client_context())
        try:
            yield client
        finally:
            client.close()

    def submit(self, login: str, password: str, sender: str, *recipients: str, text: str = "") -> None:
        with self.submission() as client:
            self.smtp_login(client, login, password)
            client.sendmail(sender, list(recipients), (text or letter("Wysłane")).encode())

    @staticmethod
    def smtp_login(client: smtplib.SMTP, login: str, password: str, mechanism: str = "PLAIN") -> None:
        """UTF-8 byte for byte (RFC 4616); smtplib's own login is ASCII only. Raises
        SMTPAuthenticationError.
        """
        client.ehlo_or_helo_if_needed()
        if mechanism == "PLAIN":
            code, answer = client.docmd("AUTH", "PLAIN " + _base64(f"\0{login}\0{password}"))
        else:
            client.docmd("AUTH", "LOGIN")
            client.docmd(_base64(login))
            code, answer = client.docmd(_base64(password))
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, answer)

    @contextmanager
    def imap(
        self, login: str, password: str, tls: Tls = "implicit", *, for_whom: str = ""
    ) -> Iterator[imaplib.IMAP4]:
        """Logged in by AUTHENTICATE PLAIN, which takes any byte. for_whom: the address that a webmail names.
        Raises imaplib.IMAP4.error.
        """
        client = self._imap_connection(tls)
        try:
            if for_whom:
                client.xatom("ID", f'("x-originating-ip" "{for_whom}")')
            client.authenticate("PLAIN", lambda _challenge: f"\0{login}\0{password}".encode())
            yield client
        finally:
            client.shutdown()

    def imap_login_command(self, login: str, password: str) -> str:
        """By the LOGIN command with a literal, the other way that takes any byte. Returns the server's
        word; that it cannot answer at the moment is none.
        """
        word, _space, reason = self.imap_login_answer(login, password).partition(" ")
        assert not reason.startswith(("[UNAVAILABLE]", "[SERVERBUG]")), reason
        return word

    def imap_login_answer(self, login: str, password: str) -> str:
        """The server's word and its reason, such as "NO [PRIVACYREQUIRED] ..."."""
        with socket.create_connection(
            ("127.0.0.1", self.layout.port("imap")), source_address=(CLIENT_ADDRESS, 0)
        ) as raw:
            stream = raw.makefile("rwb")
            stream.readline()
            secret = password.encode()
            stream.write(f'a LOGIN "{login}" {{{len(secret)}+}}\r\n'.encode() + secret + b"\r\n")
            stream.flush()
            while not (line := stream.readline()).startswith(b"a "):
                if not line:
                    raise AssertionError("connection closed")
            return line.decode().strip().partition(" ")[2]

    def _imap_connection(self, tls: Tls) -> imaplib.IMAP4:
        if tls == "implicit":
            return imaplib.IMAP4_SSL("127.0.0.1", self.layout.port("imaps"), ssl_context=client_context())
        client = _ImapFrom(("127.0.0.1", self.layout.port("imap")))
        if tls == "starttls":
            client.starttls(client_context())
        return client

    @contextmanager
    def pop3(self, login: str, password: str, tls: Tls = "implicit") -> Iterator[poplib.POP3]:
        client: poplib.POP3
        if tls == "implicit":
            client = poplib.POP3_SSL("127.0.0.1", self.layout.port("pop3s"), context=client_context())
        else:
            client = _Pop3From("127.0.0.1", self.layout.port("pop3"))
            if tls == "starttls":
                client.stls(client_context())
        try:
            client.user(login)
            client.pass_(password)
            yield client
        finally:
            client.close()

    def messages(self, login: str, password: str, folder: str = "INBOX") -> list[EmailMessage]:
        """Everything in a folder, over IMAP; without what another session removes meanwhile."""
        with self.imap(login, password) as client:
            status, _ = client.select(f'"{folder}"', readonly=True)
            if status != "OK":
                return []
            _, (numbers,) = client.search(None, "ALL")
            parts = (client.fetch(number.decode(), "(RFC822)")[1][0] for number in numbers.split())
            return [_parsed(part[1]) for part in parts if isinstance(part, tuple)]

    def count(self, login: str, password: str, folder: str) -> int:
        """How many messages a folder holds, by its STATUS."""
        with self.imap(login, password) as client:
            found = client.status(f'"{folder}"', "(MESSAGES)")[1][0]
        return int(found.rpartition(b"MESSAGES ")[2].rstrip(b")"))

    def subjects(self, login: str, password: str, folder: str = "INBOX") -> list[str]:
        return [str(message["Subject"]) for message in self.messages(login, password, folder)]

    def pop3_subjects(self, login: str, password: str) -> list[str]:
        with self.pop3(login, password) as client:
            count = client.stat()[0]
            return [str(_parsed(b"\r\n".join(client.retr(n)[1]))["Subject"]) for n in range(1, count + 1)]

    def put_sieve(self, login: str, password: str, script: str) -> None:
        """Make the script the user's active one, over ManageSieve (RFC 5804)."""
        with socket.create_connection(("127.0.0.1", self.layout.port("sieve"))) as raw:
            stream = raw.makefile("rwb")
            _sieve_answer(stream)
            body = script.encode()
            for command in (
                f'AUTHENTICATE "PLAIN" "{_base64(f"{chr(0)}{login}{chr(0)}{password}")}"\r\n'.encode(),
                f'PUTSCRIPT "own" {{{len(body)}+}}\r\n'.encode() + body + b"\r\n",
                b'SETACTIVE "own"\r\n',
            ):
                stream.write(command)
                stream.flush()
                _sieve_answer(stream)


class _ImapFrom(imaplib.IMAP4):
    """IMAP from CLIENT_ADDRESS."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(*address)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return socket.create_connection(
            (self.host, self.port), timeout or 30, source_address=(CLIENT_ADDRESS, 0)
        )


class _Pop3From(poplib.POP3):
    """POP3 from CLIENT_ADDRESS."""

    def _create_socket(self, timeout: float) -> socket.socket:
        return socket.create_connection((self.host, self.port), 30, source_address=(CLIENT_ADDRESS, 0))


def letter(subject: str, body: str = "Dzień dobry", *, headers: Sequence[str] = ()) -> str:
    """A small message with CRLF ends."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = "x@obcy.example"
    message["To"] = "kto@example.org"
    message["Subject"] = subject
    for header in headers:
        name, _, value = header.partition(":")
        message[name] = value.strip()
    message.set_content(body, cte="quoted-printable")
    return message.as_bytes().decode("ascii")


def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _sieve_answer(stream: object) -> None:
    while True:
        line = stream.readline()  # type: ignore[attr-defined]  # a socket's file
        if line.startswith(b"OK"):
            return
        if line.startswith((b"NO", b"BYE")) or not line:
            raise AssertionError(f"ManageSieve refused: {line!r}")
