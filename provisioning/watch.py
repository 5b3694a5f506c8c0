"""A look at one node: what runs, what waits, what is short.

It is kept for the overview, and what is wrong becomes an alarm; what is right again clears its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language

from accounts.quotas import format_bytes
from alarms.actions import Trouble, settle_alarms
from alarms.models import settings_in_force
from alarms.words import in_each_language
from provisioning.daemons import Daemon, daemons
from provisioning.doctor import LOWEST_FREE_SHARE, PENDING_TOO_LONG, certificate_findings
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import AppliedRevision, Change, Node, NodeReport
from provisioning.probes import probe, socket_fault
from provisioning.signatures import in_use
from qmailux_site.errors import HostUnreachable

QUEUES = ("maildrop", "incoming", "active", "deferred", "hold")
COUNT_SECONDS = 60
# Their alarms are raised and cleared by this look alone.
WATCHED = (
    "daemon.down",
    "apply.failed",
    "apply.pending",
    "queue.long",
    "disk.low",
    "certificate.expiring",
)


def look_at_node(node: Node, host: Host, layout: Layout) -> NodeReport:
    """Look, settle the alarms, keep what was found. Raises HostError when the node cannot be asked."""
    before = NodeReport.objects.filter(node=node).first()
    found: dict[str, Any] = {
        "daemons": [_daemon(layout, daemon) for daemon in daemons(layout)],
        "queued": queued_messages(host),
        "disk": _disk(host),
        "certificates": [
            {"name": finding.check, "level": finding.level, "text": finding.text}
            for finding in certificate_findings(layout)
        ],
        "signatures": _signatures(layout),
    }
    settle_alarms(WATCHED, _troubles(node, found, before.found if before else {}), of=node.name)
    values = {"found": found, "looked_at": timezone.now()}
    return NodeReport.objects.update_or_create(node=node, defaults=values)[0]


def queued_messages(host: Host) -> int:
    """By their files: asking Postfix for each would take minutes when it matters."""
    folders = [f"queue/{name}" for name in QUEUES]
    # A message that leaves while find walks is no failure of the count.
    output = host.run(["find", *folders, "-type", "f", "-printf", "."], timeout=COUNT_SECONDS, check=False)
    return len(output.stdout)


def _daemon(layout: Layout, daemon: Daemon) -> dict[str, str]:
    if daemon.services:
        faults = [f"{name}: {fault}" for name in daemon.services if (fault := probe(layout, name))]
    else:
        faults = [fault for path in daemon.ready_sockets if (fault := socket_fault(path))]
    return {"name": daemon.name, "fault": "; ".join(faults), "log": str(daemon.log)}


def _disk(host: Host) -> dict[str, int]:
    """Of the mail: bytes and files, for a disk can be out of either."""
    output = host.run(["df", "-B1", "--output=size,avail,itotal,iavail", "."])
    size, free, files, free_files = (int(word) for word in output.stdout.split()[-4:])
    shares = [free * 100 // size if size else 100, free_files * 100 // files if files else 100]
    return {"size": size, "free": free, "free_percent": min(shares)}


def _signatures(layout: Layout) -> dict[str, str]:
    """What the scanner has in use; it stands among the daemons when it does not answer."""
    try:
        found = in_use(layout)
    except HostUnreachable:
        return {}
    return {"version": found.version, "made_at": found.made_at.isoformat() if found.made_at else ""}


def _troubles(node: Node, found: dict[str, Any], before: dict[str, Any]) -> Iterator[Trouble]:
    yield from _daemons_down(node, found, before)
    yield from _changes(node)
    limit = settings_in_force().queue_limit
    if found["queued"] > limit:
        yield Trouble("queue.long", node.name, {"count": found["queued"], "limit": limit})
    disk = found["disk"]
    if disk["free_percent"] < LOWEST_FREE_SHARE * 100:
        free = in_each_language(lambda: format_bytes(disk["free"], get_language() or "en"))
        details = {"free": free, "share": disk["free_percent"]}
        yield Trouble("disk.low", node.name, details)
    for certificate in found["certificates"]:
        if certificate["level"] != "ok":
            about = f"{node.name} {certificate['name']}"
            yield Trouble("certificate.expiring", about, {"why": certificate["text"]})


def _daemons_down(node: Node, found: dict[str, Any], before: dict[str, Any]) -> Iterator[Trouble]:
    """Down at two looks in a row: one that is being restarted is not down."""
    were_down = {daemon["name"] for daemon in before.get("daemons", []) if daemon["fault"]}
    for daemon in found["daemons"]:
        if daemon["fault"] and daemon["name"] in were_down:
            details = {"why": daemon["fault"], "log": daemon["log"]}
            yield Trouble("daemon.down", f"{node.name} {daemon['name']}", details)


def _changes(node: Node) -> Iterator[Trouble]:
    failed = Change.objects.filter(node=node).exclude(error="").order_by("id").defer("keys")
    applied = AppliedRevision.objects.filter(node=node).exclude(error="")
    first = failed.first() or applied.first()
    if first is not None:
        count = max(failed.count(), applied.count())
        yield Trouble("apply.failed", node.name, {"count": count, "why": f"{first.scope}: {first.error}"})
    limit = timezone.now() - PENDING_TOO_LONG
    if count := Change.objects.filter(node=node, error="", created_at__lt=limit).count():
        yield Trouble("apply.pending", node.name, {"count": count})


def silent_nodes(longest: timedelta) -> Iterator[Trouble]:
    """Nodes that nobody has looked at for so long: their worker is dead, or nobody tells it to work."""
    limit = timezone.now() - longest
    for node in Node.objects.filter(created_at__lt=limit).select_related("report"):
        report = getattr(node, "report", None)
        if report is None or report.looked_at < limit:
            since = report.looked_at if report else node.created_at
            yield Trouble("node.silent", node.name, {"since": f"{timezone.localtime(since):%Y-%m-%d %H:%M}"})
