"""Logins without TLS, counted from the current logs: whom mandatory TLS would shut out.

IMAP, POP3 and ManageSieve: Dovecot's login line names the TLS version or nothing. SMTP: Dovecot cannot tell
(Postfix asks it), so a submission counts as plain when its smtpd process has logged no TLS connection since
it was connected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_DOVECOT_LOGIN = re.compile(r"-login: (?:Info: )?Login: user=<([^>]+)>(.*)")
_SMTPD = re.compile(r"/smtpd\[(\d+)\]: (.*)")
_SASL_USER = re.compile(r"sasl_username=(\S+)")


@dataclass(slots=True)
class LoginCount:
    total: int = 0
    without_tls: int = 0
    accounts: set[str] = field(default_factory=set)

    def add(self, user: str, *, tls: bool) -> None:
        self.total += 1
        if not tls:
            self.without_tls += 1
            self.accounts.add(user)


def count_logins(log_folder: Path) -> LoginCount:
    """From dovecot.log and mail.log of a node; a log that is not there counts as empty."""
    count = LoginCount()
    for line in _lines(log_folder / "dovecot.log"):
        if found := _DOVECOT_LOGIN.search(line):
            count.add(found[1], tls="TLSv" in found[2])
    with_tls: set[str] = set()
    for line in _lines(log_folder / "mail.log"):
        if found := _SMTPD.search(line):
            _smtpd_line(found[1], found[2], with_tls, count)
    return count


def _smtpd_line(pid: str, text: str, with_tls: set[str], count: LoginCount) -> None:
    """One process serves one client at a time, from "connect from" to "disconnect from"."""
    if text.startswith("connect from"):
        with_tls.discard(pid)
    elif "TLS connection established from" in text:
        with_tls.add(pid)
    elif ": client=" in text and (found := _SASL_USER.search(text)):
        count.add(found[1], tls=pid in with_tls)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            yield from stream
    except FileNotFoundError:
        return
