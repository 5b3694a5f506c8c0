"""The rest of the internet for a mail plane: a network of its own with DNS and other people's mail servers.

The calling thread enters new namespaces, so that its daemons have the standard ports, every loopback address,
and a resolver of the test's own. Threads and programs started from then on are inside too.
"""

from __future__ import annotations

import ctypes
import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
IPV6_FREEBIND = 78
SERVER = "srv.host.example"
NAMESERVER = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as another server got it."""

    peer: str
    helo: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.raw, policy=policy.default)

    @property
    def received(self) -> str:
        return "\n".join(str(value) for value in self.message.get_all("Received", []))


@dataclass(slots=True)
class World:
    """arrivals: what the other servers got. records: DNS, by name and type. refusals: recipient -> answer."""

    arrivals: list[Arrival] = field(default_factory=list)
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    refusals: dict[str, str] = field(default_factory=dict)

    def forget(self) -> None:
        """What the test before has left."""
        self.arrivals.clear()
        self.refusals.clear()

    def to(self, recipient: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if recipient in arrival.recipients]

    def set_record(self, name: str, kind: str, *values: str) -> None:
        self.records[(name.lower().rstrip("."), kind)] = list(values)

    def server(self, domain: str, address: str) -> None:
        """Mail for the domain goes to the address."""
        self.set_record(domain, "MX", f"10 mx.{domain}.")
        self.set_record(f"mx.{domain}", "AAAA" if ":" in address else "A", address)


@contextmanager
def own_network(folder: Path) -> Iterator[None]:
    """Loopback alone, and nobody there."""
    before = [Path(f"/proc/thread-self/ns/{kind}").open() for kind in ("net", "mnt")]  # noqa: SIM115
    _enter(folder)
    try:
        yield
    finally:
        # A thread that was started inside and is just ending would share the root, which setns(2) refuses.
        _checked(_libc().unshare(CLONE_FS), "unshare")
        for file in before:
            _checked(_libc().setns(file.fileno(), 0), "setns")
            file.close()


@contextmanager
def own_world(folder: Path) -> Iterator[World]:
    """The network with DNS and other people's servers."""
    with own_network(folder):
        yield from _world()


def _world() -> Iterator[World]:
    world = World()
    servers: list[socketserver.BaseServer] = [
        _dns_server(world),
        _smtp_server(world, "127.0.0.101"),
        _smtp_server(world, "fd00::101"),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield world
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def _enter(folder: Path) -> None:
    _checked(_libc().unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    _checked(_libc().mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {NAMESERVER}\noptions timeout:1 attempts:2\n")
    target = os.path.realpath("/etc/resolv.conf").encode()
    _checked(_libc().mount(bytes(resolver), target, None, MS_BIND, None), "mount")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "-6", "address", "add", "fd00::12/128", "dev", "lo", "nodad"], check=True)
    # Not an interface's address, as 127.0.0.101 is none: Postfix takes those for its own.
    subprocess.run(["ip", "-6", "route", "add", "local", "fd00::101/128", "dev", "lo"], check=True)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(code: int, what: str) -> None:
    if code != 0:
        raise OSError(ctypes.get_errno(), what)


# DNS


class _DnsServer(socketserver.ThreadingUDPServer):
    allow_reuse_address = True
    daemon_threads = True
    world: World


class _DnsHandler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        question, connection = self.request
        query = dns.message.from_wire(question)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        name = query.question[0].name
        key = name.to_text().lower().rstrip(".")
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        records = cast(_DnsServer, self.server).world.records
        if values := records.get((key, kind)):
            answer.answer.append(dns.rrset.from_text(name, 1, "IN", kind, *values))
        elif not any(known == key for known, _kind in records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        connection.sendto(answer.to_wire(), self.client_address)


def _dns_server(world: World) -> _DnsServer:
    server = _DnsServer((NAMESERVER, 53), _DnsHandler)
    server.world = world
    return server


# SMTP


class _SmtpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    world: World


class _SmtpServer6(_SmtpServer):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        super().server_bind()


class _SmtpHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.helo, self.sender = "", ""
        self.recipients: list[str] = []
        self._say("220 elsewhere.example ESMTP")
        while line := self.rfile.readline(4096).decode("ascii", "replace").strip():
            verb = line[:4].upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            self._answer(verb, line)

    def _answer(self, verb: str, line: str) -> None:
        world = cast(_SmtpServer, self.server).world
        if verb in ("EHLO", "HELO"):
            self.helo = line[5:]
            self._say("250-elsewhere.example\r\n250-8BITMIME\r\n250 SIZE")
        elif verb == "MAIL":
            self.sender, self.recipients = _address_in(line), []
            self._say("250 ok")
        elif verb == "RCPT":
            recipient = _address_in(line)
            if refusal := world.refusals.get(recipient):
                self._say(refusal)
                return
            self.recipients.append(recipient)
            self._say("250 ok")
        elif verb == "DATA":
            self._say("354 go on")
            raw = self._message()
            peer = str(self.client_address[0])
            world.arrivals.append(Arrival(peer, self.helo, self.sender, tuple(self.recipients), raw))
            self._say("250 taken")
        else:
            self._say("250 ok")

    def _message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


def _address_in(line: str) -> str:
    return line[line.index("<") + 1 : line.index(">")]


def _smtp_server(world: World, address: str) -> _SmtpServer:
    kind = _SmtpServer6 if ":" in address else _SmtpServer
    server = kind((address, 25), _SmtpHandler)
    server.world = world
    return server
