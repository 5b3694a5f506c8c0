"""Last logins to mailboxes by protocol, read on from where Dovecot's log was read last time."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime

from accounts.models import Account, LastLogin
from provisioning.hosts.base import Host
from provisioning.models import Node

LOG = "log/dovecot.log"
BYTES_A_RUN = 32 * 1024 * 1024
ROWS_A_STATEMENT = 900
# The line of the login itself: what follows "user=<" cannot hold a ">", Dovecot allows none in a user name.
_LOGIN = re.compile(
    r"(\S+) (imap|pop3|managesieve)-login: (?:Info: )?Login: user=<([^>]+)>, .*?\brip=([0-9a-fA-F.:]+)"
)

Found = dict[tuple[str, str], tuple[str, datetime]]


def read_last_logins(node: Node, host: Host) -> int:
    """Note the newest login of each account and protocol; returns how many were noted."""
    stat = host.run(["stat", "-c", "%i %s", LOG], check=False)
    if stat.code != 0:
        return 0
    inode, size = map(int, stat.stdout.split())
    is_same_file = inode == node.login_log_inode and size >= node.login_log_offset
    start = node.login_log_offset if is_same_file else 0
    argv = ["dd", f"if={LOG}", "bs=1M", "iflag=skip_bytes,count_bytes", "status=none"]
    raw = host.run([*argv, f"skip={start}", f"count={BYTES_A_RUN}"], timeout=120).stdout
    whole = raw[: raw.rfind(b"\n") + 1]
    found = {
        (address, protocol): (source, when)
        for address, protocol, source, when in logins_in(whole.decode("utf-8", "replace"))
    }
    noted = _save(found)
    Node.objects.filter(pk=node.pk).update(login_log_inode=inode, login_log_offset=start + len(whole))
    return noted


def logins_in(text: str) -> Iterator[tuple[str, str, str, datetime]]:
    """Address, protocol, network address and time of each login in the order of the log."""
    for line in text.splitlines():
        if not (found := _LOGIN.match(line)):
            continue
        try:
            when = datetime.fromisoformat(found[1])
            source = str(ipaddress.ip_address(found[4]))
        except ValueError:
            continue
        if when.tzinfo is not None:
            yield found[3], found[2], source, when


def _save(found: Found) -> int:
    addresses = sorted({address for address, _protocol in found})
    accounts: dict[str, int] = {}
    for start in range(0, len(addresses), ROWS_A_STATEMENT):
        known = Account.objects.filter(address__in=addresses[start : start + ROWS_A_STATEMENT])
        accounts.update(known.values_list("address", "pk"))
    rows = [
        LastLogin(account_id=accounts[address], protocol=protocol, address=source, at=when)
        for (address, protocol), (source, when) in found.items()
        if address in accounts
    ]
    LastLogin.objects.bulk_create(
        rows,
        batch_size=ROWS_A_STATEMENT,
        update_conflicts=True,
        unique_fields=["account", "protocol"],
        update_fields=["address", "at"],
    )
    return len(rows)
