"""Counts what the protections stopped, reading each log on from where it was read last time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from antispam.counts import LOGS, SYSLOG, stopped_in
from antispam.models import CountedLog, ProtectionCount
from antispam.outgoing import finds_in, tell_of_senders
from enforcement.spam_sent import note_spam
from provisioning.hosts.base import Host
from provisioning.models import Node

BYTES_A_RUN = 32 * 1024 * 1024


def count_stopped(node: Node, host: Host) -> None:
    """A line counts on the day on which it is read: at most a minute late. After a rotation the rest of the
    old file is lost to the counts, at most a minute's worth.
    """
    for path in LOGS:
        position, _is_new = CountedLog.objects.get_or_create(node=node, path=path)
        with transaction.atomic():
            lines = list(new_lines(position, host))
            counted = stopped_in(path, lines)
            position.save(update_fields=["inode", "offset"])
            for name, count in counted.items():
                _add(name, count)
            if path == SYSLOG:
                finds = finds_in(lines)
                tell_of_senders(finds)
                note_spam(finds)


class Position(Protocol):
    """How far a log has been read."""

    inode: int
    offset: int

    @property
    def path(self) -> str: ...


def new_lines(position: Position, host: Host) -> Iterator[str]:
    """Whole lines; the position moves on past them."""
    stat = host.run(["stat", "-c", "%i %s", position.path], check=False)
    if stat.code != 0:
        return
    inode, size = map(int, stat.stdout.split())
    if inode != position.inode or size < position.offset:
        position.inode, position.offset = inode, 0
    argv = ["dd", f"if={position.path}", "bs=1M", "iflag=skip_bytes,count_bytes", "status=none"]
    raw = host.run([*argv, f"skip={position.offset}", f"count={BYTES_A_RUN}"], timeout=120).stdout
    whole = raw[: raw.rfind(b"\n") + 1]
    position.offset += len(whole)
    yield from whole.decode("utf-8", "replace").splitlines()


def _add(name: str, count: int) -> None:
    today = timezone.localdate()
    found, _is_new = ProtectionCount.objects.get_or_create(name=name, day=today)
    ProtectionCount.objects.filter(pk=found.pk).update(count=F("count") + count)
