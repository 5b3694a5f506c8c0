"""Running sessions of accounts: of mail programs and in webmails."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.webmail_sessions import end_sessions

log = logging.getLogger(__name__)

# Past this number it is cheaper to ask who is there first.
MOST_BLIND_KICKS = 20
# sysexits(3), of doveadm kick: done; nobody of that name was connected; Dovecot does not run.
_NOBODY_IS_LEFT = (0, 68, 75)
EVERYBODY = "*"
# In what ss says of a socket's owners; "imap-login" is not among them.
_SESSION_PROCESS = re.compile(r'"(imap|pop3|managesieve)",pid=([0-9]+)')


def kick(host: Host, layout: Layout, names: Sequence[str]) -> None:
    """End the IMAP, POP3, ManageSieve and webmail sessions of accounts, or of all accounts of a domain.

    names: addresses, domain names or EVERYBODY. A daemon that is down has no sessions: that is no error.
    """
    end_sessions(host, layout, names)
    doveadm = ["doveadm", "-c", str(layout.etc / "dovecot" / "dovecot.conf")]
    if len(names) > MOST_BLIND_KICKS:
        connected = _connected(host, doveadm)
        names = [name for name in names if "@" not in name or name in connected]
    for name in names:
        user = name if "@" in name or name == EVERYBODY else f"*@{name}"
        done = host.run([*doveadm, "kick", user], timeout=20, check=False)
        if done.code not in _NOBODY_IS_LEFT:
            log.info(
                "kick user=%s code=%s: %s", user, done.code, done.stderr.decode("utf-8", "replace").strip()
            )


def kick_from(host: Host, layout: Layout, name: str, address: str) -> None:
    """End the sessions of an account that come from one network address."""
    conf = str(layout.etc / "dovecot" / "dovecot.conf")
    done = host.run(["doveadm", "-c", conf, "kick", name, address], timeout=20, check=False)
    if done.code not in _NOBODY_IS_LEFT:
        log.info("kick user=%s from=%s code=%s", name, address, done.code)


def _connected(host: Host, doveadm: list[str]) -> set[str]:
    who = host.run([*doveadm, "-f", "tab", "who"], timeout=60, check=False)
    return {line.split("\t")[0] for line in who.stdout.decode("utf-8", "replace").splitlines()[1:]}


def cut_plaintext(host: Host, layout: Layout, names: Sequence[str]) -> int:
    """End the sessions without TLS of accounts, of domains, or of EVERYBODY; returns their number.

    Those with TLS go on: Dovecot's login process keeps their connection, while one without TLS is handed to
    the process of the session itself. Sessions from the server's own address count as safe.
    """
    plain = _plaintext_processes(host, layout)
    if plain and EVERYBODY not in names:
        doveadm = ["doveadm", "-c", str(layout.etc / "dovecot" / "dovecot.conf")]
        plain &= _processes_of(host, doveadm, set(names))
    if plain:
        host.run(["kill", "-TERM", *sorted(plain)], check=False)
    return len(plain)


def _plaintext_processes(host: Host, layout: Layout) -> set[str]:
    ports = " or ".join(f"sport = :{layout.port(service)}" for service in ("imap", "pop3", "sieve"))
    listed = host.run(["ss", "-Htnp", "state", "established", f"( {ports} )"], check=False).stdout
    found: set[str] = set()
    for line in listed.decode("utf-8", "replace").splitlines():
        _received, _sent, local, peer, *_rest = line.split()
        if local.rpartition(":")[0] != peer.rpartition(":")[0]:
            found.update(pid for _name, pid in _SESSION_PROCESS.findall(line))
    return found


def _processes_of(host: Host, doveadm: list[str], names: set[str]) -> set[str]:
    who = host.run([*doveadm, "-f", "tab", "who"], timeout=60, check=False)
    found: set[str] = set()
    for line in who.stdout.decode("utf-8", "replace").splitlines()[1:]:
        user, _count, _protocol, pids, *_rest = line.split("\t")
        if user in names or user.rpartition("@")[2] in names:
            found.update(re.findall(r"[0-9]+", pids))
    return found
