"""Whose SMTP sessions are logged word for word: ordered in the database, obeyed by a table of Postfix.

The table itself says until when each line holds, so that it ends by itself while the database is away.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

from django.db import DatabaseError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from audit.record import record
from maillog.models import Debugging
from qmailux_site.errors import ActionRefused

MOST_MINUTES = 60
MOST_AT_ONCE = 10
# More would log the whole server word for word.
SHORTEST_PREFIX = {4: 16, 6: 32}
Row = tuple[str, int]


@transaction.atomic
def start_debugging(network: str, *, minutes: int, by: Actor) -> Debugging:
    """Log the next sessions of the client or network word for word; it ends by itself. Again: it goes on."""
    by.must_be_superadmin()
    try:
        wanted = ip_network(network.strip().strip("[]"), strict=False)
    except ValueError as error:
        raise ActionRefused(
            "network", _("%(text)s is no IP address or network.") % {"text": network}
        ) from error
    if wanted.prefixlen < SHORTEST_PREFIX[wanted.version]:
        raise ActionRefused("network", _("The network is too big: at most /16, of IPv6 /32."))
    if not 1 <= minutes <= MOST_MINUTES:
        raise ActionRefused("minutes", _("From 1 to %(most)d minutes.") % {"most": MOST_MINUTES})
    now = timezone.now()
    if Debugging.objects.filter(until__gt=now).exclude(network=str(wanted)).count() >= MOST_AT_ONCE:
        raise ActionRefused(
            "network", _("So many clients are logged word for word already. End one of them.")
        )
    record(by, "smtp_debug.started", wanted, minutes=minutes)
    person = by.real.address if by.real else by.channel
    return Debugging.objects.update_or_create(
        network=str(wanted),
        defaults={"until": now + timedelta(minutes=minutes), "started_by": person, "started_at": now},
    )[0]


@transaction.atomic
def end_debugging(debugging: Debugging, *, by: Actor) -> None:
    by.must_be_superadmin()
    record(by, "smtp_debug.ended", debugging.network)
    debugging.delete()


def obey(table: Path, master: Path) -> None:
    """Bring the table to what is ordered now. While the database is away, what is over ends all the same.

    master: the pid file of Postfix's master, which is told: such tables are read once by each process.
    """
    now = timezone.now()
    try:
        ordered = Debugging.objects.filter(until__gt=now).order_by("network")
        rows = [(found.network, int(found.until.timestamp())) for found in ordered]
    except DatabaseError:
        _put(table, [row for row in _rows_of(table) if row[1] > now.timestamp()], master)
        raise
    _put(table, rows, master)


def text_of(rows: Iterable[Row]) -> str:
    return "".join(f"{network} {until}\n" for network, until in rows)


def _rows_of(table: Path) -> list[Row]:
    """Whatever is no such line is over."""
    try:
        words = [line.split() for line in table.read_text(encoding="ascii", errors="replace").splitlines()]
    except FileNotFoundError:
        return []
    return [(found[0], int(found[1])) for found in words if len(found) == 2 and found[1].isdecimal()]


def _put(table: Path, rows: Iterable[Row], master: Path) -> None:
    if _write(table, rows):
        _tell(master)


def _tell(master: Path) -> None:
    """As "postfix reload" does; no session is cut. A master that is gone reads the table when it comes."""
    with suppress(OSError, ValueError):
        pid = int(master.read_text(encoding="ascii"))
        if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() == "master":
            os.kill(pid, signal.SIGHUP)


def _write(table: Path, rows: Iterable[Row]) -> bool:
    """Whether it had to be."""
    text = text_of(rows)
    if not table.parent.is_dir() or (table.exists() and table.read_text(encoding="ascii") == text):
        return False
    temporary = table.with_name(f".{table.name}")
    temporary.write_text(text, encoding="ascii")
    temporary.chmod(0o644)
    temporary.replace(table)
    return True


def running() -> list[Debugging]:
    return list(Debugging.objects.filter(until__gt=timezone.now()).order_by("network"))
