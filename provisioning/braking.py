"""The brake for hijacked logins: its numbers on their way to a node, whom it has stopped on the way back."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import Q

from accounts.actor import Actor
from accounts.models import Account
from enforcement.actions import begin_incident
from enforcement.braking import DEFAULTS, MEASURES, BrakeThresholds, Incident
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.node_programs.hijack_brake import SERVER
from qmailux_site.errors import ActionRefused
from qmailux_site.streaming import streamed

log = logging.getLogger(__name__)

BrakeRow = tuple[str, int | None, int | None, int, int]
MOST_BYTES = 1024 * 1024


def brake_rows(names: Iterable[str] | None = None) -> list[BrakeRow]:
    """By address or domain name, or of all."""
    wanted = None if names is None else set(names)
    numbers = _numbers(wanted)
    stopped, let_go = _incidents(wanted)
    return [
        (
            name,
            *numbers.get(name, (None, None)),
            int(name in stopped),
            int(let_go[name].timestamp() * 1000) if name in let_go else 0,
        )
        for name in sorted(numbers.keys() | stopped | let_go.keys())
    ]


def take_tripped(host: Host, layout: Layout) -> int:
    """An incident for each login that the node's brake has stopped by itself; returns how many are new."""
    path = str(layout.brake_tripped.relative_to(layout.node))
    lines = (host.read(path) or b"")[:MOST_BYTES].decode("utf-8", "replace").splitlines()
    return sum(_begin(line) for line in lines)


def _begin(line: str) -> bool:
    """The file is the mail user's: what it says is checked."""
    try:
        trip = json.loads(line)
        account = Account.objects.with_mailbox().filter(address=str(trip["login"])).first()
        at = datetime.fromtimestamp(float(trip["at"]), UTC)
        found, threshold = int(trip["found"]), int(trip["threshold"])
        if (
            account is None
            or account.home != trip["home"]
            or trip["measure"] not in MEASURES
            or min(found, threshold) < 0
        ):
            return False
        begun = begin_incident(
            account, measure=trip["measure"], found=found, threshold=threshold, at=at, by=Actor.task()
        )
    except (ValueError, KeyError, TypeError, OverflowError, ActionRefused) as error:
        log.warning("line of the brake dropped: %s", error)
        return False
    return begun is not None


def _numbers(wanted: set[str] | None) -> dict[str, tuple[int | None, int | None]]:
    rows = BrakeThresholds.objects.select_related("account", "domain")
    if wanted is not None:
        mine = Q(account__address__in=wanted) | Q(domain__name__in=wanted) | Q(level="server")
        rows = rows.filter(mine)
    found: dict[str, tuple[int | None, int | None]] = {}
    if wanted is None or SERVER in wanted:
        found[SERVER] = (DEFAULTS["messages"], DEFAULTS["recipients"])
    for row in streamed(rows, names=wanted):
        if row.account or row.domain:
            found[row.account.address if row.account else str(row.domain)] = (row.messages, row.recipients)
        elif SERVER in found:
            found[SERVER] = (
                DEFAULTS["messages"] if row.messages is None else row.messages,
                DEFAULTS["recipients"] if row.recipients is None else row.recipients,
            )
    return found


def _incidents(wanted: set[str] | None) -> tuple[set[str], dict[str, datetime]]:
    """Who is stopped, and when the others were let go last."""
    incidents = Incident.objects.all()
    if wanted is not None:
        incidents = incidents.filter(account__address__in=wanted)
    stopped: set[str] = set()
    let_go: dict[str, datetime] = {}
    for address, ended_at in incidents.order_by().values_list("account__address", "ended_at"):
        if ended_at is None:
            stopped.add(address)
        else:
            let_go[address] = max(ended_at, let_go.get(address, ended_at))
    return stopped, let_go
