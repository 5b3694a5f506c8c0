"""Does a service answer as it should? Asked by the stack's readiness and by doctor."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

from provisioning.layout import Layout

IMPLICIT_TLS = {"smtps", "imaps", "pop3s", "https"}
GREETINGS = {
    "smtp": b"220 ",
    "submission": b"220 ",
    "smtps": b"220 ",
    "imap": b"* OK",
    "imaps": b"* OK",
    "pop3": b"+OK",
    "pop3s": b"+OK",
    "sieve": b'"IMPLEMENTATION"',
    "http": b"HTTP/",
    "https": b"HTTP/",
}
# HTTP servers wait for the client to speak first.
QUESTIONS = {
    "http": b"HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n",
    "https": b"HEAD / HTTP/1.0\r\nHost: localhost\r\n\r\n",
}


def probe(layout: Layout, service: str, *, timeout_seconds: float = 5) -> str:
    """What is wrong with the service, in words; "" when it greets as it should."""
    try:
        with socket.create_connection(
            (layout.own_address, layout.port(service)), timeout=timeout_seconds
        ) as plain:
            connection = _with_tls(plain) if service in IMPLICIT_TLS else plain
            connection.sendall(QUESTIONS.get(service, b""))
            greeting = connection.recv(100)
    except OSError as error:
        return str(error.strerror or error)
    if not greeting.startswith(GREETINGS[service]):
        return f"unexpected greeting {greeting[:40]!r}"
    return ""


def socket_fault(path: Path, *, timeout_seconds: float = 5) -> str:
    """What is wrong with a unix socket, in words; "" when somebody takes connections there."""
    fault = _connection_fault(path, socket.SOCK_STREAM, timeout_seconds)
    if fault == os.strerror(errno.EPROTOTYPE):
        return _connection_fault(path, socket.SOCK_DGRAM, timeout_seconds)
    return fault


def _connection_fault(path: Path, kind: socket.SocketKind, timeout_seconds: float) -> str:
    with socket.socket(socket.AF_UNIX, kind) as connection:
        connection.settimeout(timeout_seconds)
        try:
            connection.connect(str(path))
        except OSError as error:
            return str(error.strerror or error)
    return ""


def _with_tls(plain: socket.socket) -> ssl.SSLSocket:
    """Whether it speaks TLS, not whose certificate it has: that is the certificate check's question."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)
