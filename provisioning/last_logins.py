"""Last logins to mailboxes by protocol, read on from where Dovecot's log was read last time."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import Account, AppPassword, LastLogin
from provisioning.answered import answers_in, save_answers
from provisioning.hosts.base import Host
from provisioning.models import Node

LOG = "log/dovecot.log"
BYTES_A_RUN = 32 * 1024 * 1024
ROWS_A_STATEMENT = 900
# The line of the login itself: what follows "user=<" cannot hold a ">", Dovecot allows none in a user name.
_LOGIN = re.compile(
    r"(\S+) (imap|pop3|managesieve)-login: (?:Info: )?Login: user=<([^>]+)>, .*?\brip=([0-9a-fA-F.:]+)"
)

_APP_PASSWORD = re.compile(r" app=<([a-z0-9]+)>")
_FINISHED = '"event":"auth_request_finished"'
# The first word of the query that app_use.sql makes.
_APP_USE = re.compile(r'"query_first_word":"SELECT\'smtp\|([a-z0-9]+)\|([0-9a-fA-F.:]+)\|([^\'|]+)\'AS"')

Found = dict[tuple[str, str], tuple[str, datetime]]


def read_last_logins(node: Node, host: Host) -> int:
    """Note the newest login of each account and protocol; returns how many were noted. Whom autoresponders
    answered stands in the same log, and is noted with them.
    """
    stat = host.run(["stat", "-c", "%i %s", LOG], check=False)
    if stat.code != 0:
        return 0
    inode, size = map(int, stat.stdout.split())
    is_same_file = inode == node.login_log_inode and size >= node.login_log_offset
    start = node.login_log_offset if is_same_file else 0
    argv = ["dd", f"if={LOG}", "bs=1M", "iflag=skip_bytes,count_bytes", "status=none"]
    raw = host.run([*argv, f"skip={start}", f"count={BYTES_A_RUN}"], timeout=120).stdout
    whole = raw[: raw.rfind(b"\n") + 1]
    text = whole.decode("utf-8", "replace")
    found = {(login.address, login.protocol): (login.source, login.at) for login in logins_in(text)}
    save_answers(answers_in(text))
    noted = _save(found)
    _note_app_passwords({login.app_password: login for login in logins_in(text) if login.app_password})
    Node.objects.filter(pk=node.pk).update(login_log_inode=inode, login_log_offset=start + len(whole))
    return noted


@dataclass(frozen=True, slots=True)
class Login:
    """source: network address. app_password: the selector of the one that was given, "" for the main one."""

    address: str
    protocol: str
    source: str
    at: datetime
    app_password: str = ""


def logins_in(text: str) -> Iterator[Login]:
    """Each good login in the order of the log."""
    for line in text.splitlines():
        with suppress(ValueError, KeyError, TypeError, AttributeError):  # a line that is cut off
            if found := _LOGIN.match(line):
                app = _APP_PASSWORD.search(line, found.end())
                selector = app[1] if app else ""
                yield Login(found[3], found[2], _source(found[4]), _instant(found[1]), selector)
            elif _FINISHED in line:
                yield from _sending(json.loads(line[line.index("{") :]))
            elif found := _APP_USE.search(line):
                at = _instant(json.loads(line[line.index("{") :])["end_time"])
                yield Login(found[3], "smtp", _source(found[2]), at, found[1])


def _sending(event: dict[str, Any]) -> Iterator[Login]:
    """Postfix asks Dovecot, which leaves no line of a login but the event."""
    fields = event["fields"]
    if fields.get("service") == "smtp" and fields.get("success") == "yes":
        yield Login(str(fields["user"]), "smtp", _source(fields["remote_ip"]), _instant(event["end_time"]))


def _source(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _instant(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(text)
    return when


def _note_app_passwords(found: dict[str, Login]) -> None:
    """The newest use of each; what was revoked meanwhile is nobody's."""
    selectors = sorted(found)
    for start in range(0, len(selectors), ROWS_A_STATEMENT):
        stored = AppPassword.objects.filter(selector__in=selectors[start : start + ROWS_A_STATEMENT])
        used = []
        for app_password in stored.select_related("account"):
            login = found[app_password.selector]
            if login.address == app_password.account.address:
                app_password.last_used_at = login.at
                app_password.last_used_protocol = login.protocol
                app_password.last_used_address = login.source
                used.append(app_password)
        AppPassword.objects.bulk_update(
            used, ["last_used_at", "last_used_protocol", "last_used_address"], batch_size=ROWS_A_STATEMENT
        )


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
    newest: dict[int, datetime] = {}
    for row in rows:
        newest[row.account_id] = max(row.at, newest.get(row.account_id, row.at))
    lists = [Account(pk=pk, logged_in_at=when) for pk, when in newest.items()]
    Account.objects.bulk_update(lists, ["logged_in_at"], batch_size=ROWS_A_STATEMENT)
    return len(rows)
