"""A smarthost: another server that takes mail for everybody, after TLS and a login."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.mail.other_authority import named, new_key, pem, pem_of_key
from tests.mail.world import IPV6_FREEBIND


@dataclass(slots=True)
class Smarthost:
    """logins: who may send. taken: login and sender of each message; peers: where each came from.
    offers_tls: whether STARTTLS is there. wants_login: whether mail is taken after a login alone. seen:
    logins that were tried, and whether TLS was on. wrapped_port: there TLS begins with the first byte.
    """

    context: ssl.SSLContext
    logins: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, str]] = field(default_factory=list)
    seen: list[tuple[str, bool]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    offers_tls: bool = True
    wants_login: bool = True
    wrapped_port: int = 465


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    smarthost: Smarthost


class _Server6(_Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        super().server_bind()


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.smarthost = cast(_Server, self.server).smarthost
        self.login, self.sender, self.is_encrypted = "", "", False
        if self.connection.getsockname()[1] == self.smarthost.wrapped_port:
            self._begin_tls()
        self._say("220 smarthost.example ESMTP")
        while line := self.rfile.readline(4096).decode("utf-8", "replace").strip():
            verb = line.split()[0].upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            self._answer(verb, line)

    def _answer(self, verb: str, line: str) -> None:
        if verb == "EHLO":
            # A login is offered without TLS too: whoever says the password then is seen.
            tls = "250-STARTTLS\r\n" if self.smarthost.offers_tls and not self.is_encrypted else ""
            self._say(f"250-smarthost.example\r\n{tls}250 AUTH PLAIN LOGIN")
        elif verb == "STARTTLS":
            self._say("220 go on")
            self._begin_tls()
        elif verb == "AUTH":
            _name, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
            self.smarthost.seen.append((user, self.is_encrypted))
            is_right = self.smarthost.logins.get(user) == password
            self.login = user if is_right else ""
            self._say("235 welcome" if is_right else "535 5.7.8 the smarthost does not know you")
        elif verb == "MAIL":
            self.sender = line[line.index("<") + 1 : line.index(">")]
            self._say("250 ok" if self.login or not self.smarthost.wants_login else "530 5.7.0 log in first")
        elif verb == "DATA":
            self._say("354 go on")
            while self.rfile.readline() not in (b".\r\n", b""):
                continue
            self.smarthost.taken.append((self.login, self.sender))
            self.smarthost.peers.append(str(self.client_address[0]))
            self._say("250 taken")
        else:
            self._say("250 ok")

    def _begin_tls(self) -> None:
        self.request = self.smarthost.context.wrap_socket(self.request, server_side=True)
        self.setup()
        self.is_encrypted = True

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def smarthost(folder: Path, address: str, *ports: int) -> Iterator[Smarthost]:
    found = Smarthost(_context(folder))
    servers = []
    for port in ports:
        server = (_Server6 if ":" in address else _Server)((address, port), _Handler)
        server.smarthost = found
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
    try:
        yield found
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _context(folder: Path) -> ssl.SSLContext:
    key = new_key()
    now = datetime.now(UTC)
    name = named("smarthost.example")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "smarthost.pem"
    file.write_bytes(pem_of_key(key) + pem(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
