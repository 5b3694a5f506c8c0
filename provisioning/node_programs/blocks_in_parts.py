"""Keeps blocked addresses out where the machine has no packet filter: Postfix, Dovecot and nginx refuse them.

Standard library alone, as the program that uses it. Postfix and nginx read files, and are told of new ones;
Dovecot asks the accounts file at each login. Open sessions end as far as the machine lets us end them.
"""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60
# Temporary, as a connection that fails is: another server's mail waits, and is not returned at once.
REFUSED = "421 4.7.1 Connections from your address are blocked here"
# Postfix has a file for each, and a map that its running sessions look into.
SMTP = ("smtp", "submission")
SESSIONS = {service: f"blocked_{service}" for service in SMTP}
WEB = "web"
# Of connections over which something may still come.
STATES = ("state", "established", "state", "syn-recv", "state", "close-wait")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Entry:
    """until: seconds since 1970, 0 for no end."""

    network: Network
    service: str
    until: int


@dataclass(frozen=True, slots=True)
class Parts:
    """Where they are told. ports: of each service, parted by commas."""

    accounts: Path
    folder: Path
    maps: Path
    postfix: Path
    postfix_reload: Path
    dovecot: Path
    nginx: Path
    ports: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Session:
    """host: the peer as ss wants it. address: as the parts know it."""

    host: str
    address: str
    port: str
    service: str


def refuse(parts: Parts, entries: Sequence[Entry]) -> None:
    """Exactly these are refused from now on; without entries nobody is."""
    _tell_dovecot(parts.accounts, entries)
    told = [_write(parts.folder / name, _table(entries, name)) for name in SMTP]
    # A running smtpd goes by what it read at its start.
    if any(told):
        _output([str(parts.postfix_reload)])
    if _write(parts.folder / WEB, _geo(entries)):
        _output(["nginx", "-c", str(parts.nginx), "-s", "reload"])
    _end_sessions(parts, entries)


def _tell_dovecot(accounts: Path, entries: Iterable[Entry]) -> None:
    wanted = sorted({(_hex(e.network[0]), _hex(e.network[-1]), e.service, e.until) for e in entries})
    with closing(sqlite3.connect(accounts, timeout=30, isolation_level=None)) as connection:
        query = "SELECT first, last, service, until FROM blocked_login ORDER BY first, last, service, until"
        if connection.execute(query).fetchall() == wanted:
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM blocked_login")
        connection.executemany("INSERT INTO blocked_login VALUES (?, ?, ?, ?)", wanted)
        connection.execute("COMMIT")


def _hex(address: Address) -> str:
    """In the order of numbers; locks.sql makes the same of a client's address."""
    return f"{address.version}{address.packed.hex()}"


def _table(entries: Iterable[Entry], service: str) -> str:
    return "".join(f"{network} {REFUSED}\n" for network in _networks(entries, service))


def _geo(entries: Iterable[Entry]) -> str:
    return "".join(f"{network} 1;\n" for network in _networks(entries, WEB))


def _networks(entries: Iterable[Entry], service: str) -> list[Network]:
    found = {entry.network for entry in entries if entry.service in (service, "all")}
    return sorted(found, key=lambda network: (network.version, network.network_address, network.prefixlen))


def _write(path: Path, text: str) -> bool:
    """Whether it said something else before."""
    if path.exists() and path.read_text(encoding="ascii") == text:
        return False
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="ascii")
    # Postfix waits for a writer of a new file, who may not have finished; this one comes whole.
    settled = time.time() - 5
    os.utime(beside, (settled, settled))
    beside.replace(path)
    return True


def _end_sessions(parts: Parts, entries: Sequence[Entry]) -> None:
    """By the kernel where it does that; else Dovecot's as doveadm kick does, which knows no services. smtpd
    gets no signal, for it would lose a message: it looks into a map at each step, and ends there.
    """
    blocked = _Blocked(entries)
    found = _connected(parts, blocked)
    if found:
        for host in {session.host for session in found}:
            here = " or ".join(f"sport = :{each.port}" for each in found if each.host == host)
            _output(["ss", "-K", *STATES, f"dst {host} and ( {here} )"])
        found = _connected(parts, blocked)
    if found:
        _end_sessions_of_dovecot(parts, blocked)
    for service, name in SESSIONS.items():
        addresses = {session.address for session in found if session.service == service}
        _refuse_at_next_step(parts, name, addresses)


class _Blocked:
    """Finds the entry that an address meets without looking at each of them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._networks = {(entry.service, entry.network) for entry in entries}
        self._lengths = {(each.version, each.prefixlen) for _service, each in self._networks}

    def meets(self, address: str, service: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False  # a unix socket
        around = [
            ipaddress.ip_network((parsed, length), strict=False)
            for version, length in self._lengths
            if version == parsed.version
        ]
        return any((each, network) in self._networks for network in around for each in (service, "all"))


def _connected(parts: Parts, blocked: _Blocked) -> list[Session]:
    """Sessions of those who are blocked."""
    services = {
        port: service
        for service, ports in parts.ports.items()
        if service != "all"
        for port in ports.split(",")
    }
    found = []
    for line in _output(["ss", "-Htn", *STATES]).splitlines():
        _state, _received, _sent, local, peer, *_rest = line.split()
        host, port = peer.rpartition(":")[0], local.rpartition(":")[2]
        # A client of IPv4 may be one of IPv6 to a daemon; a scope stands behind "%".
        address = re.sub(r"%[^\]]*", "", host).strip("[]").removeprefix("::ffff:")
        service = services.get(port)
        if service and blocked.meets(address, service):
            found.append(Session(host, address, port, service))
    return found


def _end_sessions_of_dovecot(parts: Parts, blocked: _Blocked) -> None:
    who = _output(["doveadm", "-c", str(parts.dovecot), "-f", "tab", "who", "-1"])
    for line in who.splitlines()[1:]:
        _user, service, pid, address, *_rest = line.split("\t")
        if pid.isdigit() and blocked.meets(address, service):
            try:
                os.kill(int(pid), signal.SIGTERM)
            except ProcessLookupError:
                continue  # it has ended by itself


def _refuse_at_next_step(parts: Parts, name: str, addresses: set[str]) -> None:
    postmap = ["postmap", "-c", str(parts.postfix)]
    path = f"lmdb:{parts.maps / name}"
    found = {line.split("\t")[0] for line in _output([*postmap, "-s", path]).splitlines()}
    if gone := sorted(found - addresses):
        _output([*postmap, "-d", "-", path], stdin="".join(f"{address}\n" for address in gone))
    if new := sorted(addresses - found):
        _output([*postmap, "-r", "-i", path], stdin="".join(f"{address} {REFUSED}\n" for address in new))


def _output(argv: Sequence[str], *, stdin: str = "") -> str:
    """Of a program that may not be there or not running, or may not do it here."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout
