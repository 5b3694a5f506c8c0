"""Used space and number of messages of mailboxes, from the files that Dovecot keeps (quota_clone).

Only files that have changed since the last count are read, by one command on the node: no daemon is asked,
and a mailbox where nothing happens costs a look at the file's time.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction
from django.utils import timezone

from accounts.models import Account, MailboxUsage
from domains.numbers import recount
from provisioning.hosts.base import Host
from provisioning.models import Node

log = logging.getLogger(__name__)

ROWS_A_STATEMENT = 900
# The node's clock may be behind ours, and a file may be written while we look.
OVERLAP = timedelta(minutes=1)
FIND_SECONDS = 280
_LINE = re.compile(r"mail/[0-9a-f]{2}/([0-9a-f]{32})/usage/([^/]+)/quota/(storage|messages):(\d{1,18})")

Counts = dict[tuple[str, str], dict[str, int]]


def count_usage(node: Node, host: Host) -> int:
    """Bring the counters of the node's mailboxes up to date; returns how many were read."""
    started = timezone.now()
    counts = read_counts(host, since=node.usage_counted_at)
    found = iter(counts.items())
    while batch := dict(islice(found, ROWS_A_STATEMENT)):
        _save(batch)
    Node.objects.filter(pk=node.pk).update(usage_counted_at=started)
    return len(counts)


def read_counts(host: Host, *, since: datetime | None) -> Counts:
    """By folder and address: bytes ("storage") and messages. since: files older than that are left out."""
    newer = [] if since is None else ["-newermt", f"@{(since - OVERLAP).timestamp():.0f}"]
    argv = ["find", "mail", "-mindepth", "3", "-name", "Maildir", "-prune", "-o", "-type", "f"]
    argv += ["-path", "*/quota/*", *newer, "-exec", "grep", "-H", "-m", "1", "", "{}", "+"]
    # A folder that goes while find walks is no failure of the count.
    output = host.run(argv, timeout=FIND_SECONDS, check=False)
    counts: Counts = {}
    for folder, address, kind, number in _lines(output.stdout.decode("utf-8", "replace")):
        counts.setdefault((folder, address), {})[kind] = number
    return counts


def _lines(text: str) -> Iterator[tuple[str, str, str, int]]:
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            yield found[1], found[2], found[3], int(found[4])


@transaction.atomic
def _save(counts: Counts) -> None:
    """Only what stands under the account's present address: a renamed one has left old files behind."""
    folders = [uuid.UUID(folder) for folder, _address in counts]
    accounts = list(
        Account.objects.filter(uuid__in=folders).values_list("pk", "uuid", "address", "domain_id")
    )
    rows = [
        MailboxUsage(account_id=pk, used_bytes=found["storage"], message_count=found["messages"])
        for pk, folder, address, _domain in accounts
        if len(found := counts.get((folder.hex, address), {})) == 2
    ]
    MailboxUsage.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["account"],
        update_fields=["used_bytes", "message_count"],
    )
    lists = [Account(pk=row.account_id, used_bytes=row.used_bytes) for row in rows]
    Account.objects.bulk_update(lists, ["used_bytes"])
    recount({domain for _pk, _folder, _address, domain in accounts if domain is not None})
