"""The entries of every store while they are gathered, and those that come from tables beside the addresses:
app passwords, scripts, spam, limits, the brake, blocks, keys, encryption.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from provisioning.app_passwords import app_password_rows
from provisioning.blocks import ban_rows, block_rows
from provisioning.braking import brake_rows
from provisioning.dkim import dkim_rows
from provisioning.encryption import names_with_encryption, remote_levels
from provisioning.quarantine import quarantined_answers, quarantined_logins
from provisioning.render import postfix
from provisioning.scripts import script_rows
from provisioning.sending import sending_rows
from provisioning.smarthosts import login_rows
from provisioning.spam import is_wished_by, spam_file_rows, spam_rows
from provisioning.stores import STORES
from provisioning.values import Value

Entries = dict[str, dict[str, Value]]


@dataclass(slots=True)
class Collector:
    """The entries of every store, by key. broken: addresses that cannot be rendered, with the reason.

    A broken object breaks one mailbox: its last good entries stay as they are, all others are rendered.
    """

    entries: Entries = field(default_factory=lambda: {name: {} for name in STORES})
    broken: dict[str, str] = field(default_factory=dict)

    def put(self, store: str, entry: tuple[str, Value]) -> None:
        self.entries[store][entry[0]] = entry[1]


def put_app_passwords(out: Collector, addresses: Iterable[str] | None = None) -> None:
    rows, broken = app_password_rows(addresses)
    for row in rows:
        out.put("app_password", (row[0], row))
    out.broken.update(broken)


def put_scripts(out: Collector, addresses: Iterable[str] | None = None) -> None:
    rows, broken = script_rows(addresses)
    for row in rows:
        out.put("script", (str(row[0]), row))
    out.broken.update(broken)


def put_spam(out: Collector, names: Collection[str] | None = None) -> None:
    """What accounts and domains want of the spam check."""
    if names is not None and not is_wished_by(names):
        return
    for row in spam_rows(names):
        out.put("spam", (row[0], row))
    rows, broken = spam_file_rows(names)
    for file_row in rows:
        out.put("spam_file", (str(file_row[0]), file_row))
    out.broken.update(broken)


def put_sending(out: Collector, names: Iterable[str] | None = None) -> None:
    """How much may be sent."""
    for row in sending_rows(names):
        out.put("sending_limit", (row[0], row))


def put_brake(out: Collector, names: Iterable[str] | None = None) -> None:
    """From which numbers on sending is stopped, and whose is."""
    for row in brake_rows(names):
        out.put("brake", (row[0], row))
        if row[3] and row[0] not in out.entries["lock_login"]:
            out.put("lock_login", postfix.sending_stopped_entry(row[0]))


def put_quarantine(out: Collector) -> None:
    """After the senders: whatever a quarantined account may send as leaves by another service, and what its
    Sieve makes by another listener.
    """
    ways = quarantined_logins()
    if not ways:
        return
    for address, logins in out.entries["senders"].items():
        if way := ways.get(str(logins)):
            out.put("sender_transport", postfix.sender_transport_entry(address, *way))
    for login, row in quarantined_answers().items():
        out.put("domain_host", (login, row))


def put_blocks(out: Collector, names: Iterable[str] | None = None) -> None:
    """Who may not connect, or not log in."""
    wanted = None if names is None else list(names)
    for row in block_rows(wanted):
        out.put("block", (row[0], row))
    for ban in ban_rows(wanted):
        out.put("ban", (ban[0], ban))


def put_dkim(out: Collector, names: Iterable[str] | None = None) -> None:
    """Keys that sign."""
    rows, broken = dkim_rows(names)
    for row in rows:
        out.put("dkim", (row.columns[0], row))
    out.broken.update(broken)


def put_encryption(out: Collector, names: Iterable[str] | None = None) -> None:
    """Logins that need TLS, and what mail to other servers needs."""
    wanted = None if names is None else list(names)
    for name, level in names_with_encryption(wanted):
        out.put("encryption", (name, (name, level)))
        out.put("encryption_login", postfix.encryption_entry(name))
    for domain, level in remote_levels(wanted):
        out.put("encryption_out", postfix.remote_encryption_entry(domain, level))


def put_smarthost_logins(out: Collector, keys: Iterable[str] | None = None) -> None:
    """What other servers want to know of us before they send our mail on."""
    for entry in login_rows(keys):
        out.put("smarthost_login", entry)
